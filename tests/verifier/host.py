"""Runs the Python package of the verifier for crates/secure-log/tests/verify_hosts.rs, which says how they speak.

    host.py FOLDER-OF-THE-PACKAGE OPTIONS
"""
import json, sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from secure_log_verifier import Verifier

options = json.loads(sys.argv[2])
options["mac_keys"] = [bytes.fromhex(key) for key in options["mac_keys"]]
options["wrapping_keys"] = {label: bytes.fromhex(key) for label, key in options["wrapping_keys"].items()}
chain = options.pop("chain", False)
verifier = Verifier()


def main():
    print(json.dumps("ready"), flush=True)
    while size := sys.stdin.buffer.read(4):
        file = sys.stdin.buffer.read(int.from_bytes(size, "big"))
        if chain:
            print(json.dumps(judge_chain(file)), flush=True)
        else:
            print(json.dumps(judged(verifier.verify(pieces(file), **options))), flush=True)


def pieces(file):
    """Of another size than any other host's."""
    return (file[at:at + 1000] for at in range(0, len(file), 1000))


def judged(report):
    return [report.json, report.text, report.continues and head(report.continues)]


def judge_chain(rest):
    files = []
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        files.append((f"file {len(files) + 1}", pieces(rest[4:end])))
        rest = rest[end:]
    found = verifier.verify_chain(files, **options)
    return [
        found.json, found.text, found.verdict, [[fault.code, fault.file] for fault in found.faults],
        [[head(gone.head), gone.before, gone.signed] for gone in found.missing],
        [[name, *judged(report)] for name, report in found.files],
    ]


def head(head):
    return [head.origin, head.size, head.root.hex()]


main()
