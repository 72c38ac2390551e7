#!/usr/bin/env python3
"""Runs what a page shows, and compares what happens with what the page says.

    check-readme.py PAGE.md..

Of each page, the fenced blocks whose first line is "```console run" are run in order, in one shell, in a new folder that
shows dist/, tools/ and vectors/. In a block, "$ " begins a command and "> " continues it; the lines below it are what it
prints, on either channel. "..." stands for any text within a line and, alone on a line, for one or more lines.

A block below a comment "from FILE" has to stand in that file as it is shown.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHOWN = ("dist", "tools", "vectors")
MARK = "--- end of command {} ---"


def main(pages):
    if not pages:
        sys.exit(__doc__)
    return max(check(pathlib.Path(page)) for page in pages)


def check(page):
    text = page.read_text(encoding="utf-8")
    if wrong := [name for name, block in quoted(text) if block not in (ROOT / name).read_text(encoding="utf-8")]:
        print(f"{page}: what it shows of {', '.join(wrong)} does not stand there")
        return 1
    commands = list(commands_of(text))
    if not commands:
        print(f"{page}: no block is marked to be run")
        return 1
    outputs = run([command for command, _ in commands])
    wrong = 0
    for (command, expected), found in zip(commands, outputs):
        if pattern_of(expected).fullmatch(found):
            print(f"as shown: $ {command.splitlines()[0]}")
            continue
        wrong = 1
        print(f"{page}: $ {command}\n  the page shows:\n{indent(expected)}\n  it printed:\n{indent(found)}")
    return wrong


def quoted(text):
    """What is shown of other files: their names, and the lines."""
    return re.findall(r"^<!-- from (\S+) -->\n```\S*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands_of(text):
    """Each command of the blocks to be run, with the output that is shown below it."""
    for block in re.findall(r"^```console run\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if not block.startswith("$ "):
            raise SystemExit(f"a block to be run begins with no command: {block.splitlines()[0]}")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = 1
            while length < len(lines) and lines[length].startswith("> "):
                length += 1
            yield "\n".join([lines[0]] + [line[2:] for line in lines[1:length]]), "\n".join(lines[length:])


def run(commands):
    """What each printed. They share one shell, so that variables and the folder last from one to the next."""
    script = "".join(f"{command}\nprintf '\\n{MARK.format(number)}\\n'\n" for number, command in enumerate(commands))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SECURE_LOG_")}
    with tempfile.TemporaryDirectory() as folder:
        for name in SHOWN:
            os.symlink(ROOT / name, pathlib.Path(folder) / name)
        # Not on standard input, which a command may read.
        output = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, encoding="utf-8", check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
        ).stdout
    outputs = []
    for number in range(len(commands)):
        found, mark, output = output.partition(f"\n{MARK.format(number)}\n")
        outputs.append(found.rstrip("\n") if mark else f"{found}\n(the shell ended here)")
    return outputs


def pattern_of(expected):
    lines = expected.rstrip("\n").split("\n")
    return re.compile("\n".join(
        r"[\s\S]*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) for line in lines
    ))


def indent(text):
    return "\n".join(f"    {line}" for line in text.split("\n"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
