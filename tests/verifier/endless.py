"""Gives the component a log whose second line has no end for a long time, and measures the memory of its host.

    endless.py GIGABYTES VERIFY_LOG VERIFIER.wasm POLICY LOG.jsonl

VERIFY_LOG is the example of verify/. What it is to say of such a file is the reference: a line that is too long is no record.
"""
import json
import resource
import subprocess
import sys

MOST_MIB = 400
CHUNK = b"x" * (1 << 20)


def main(gigabytes, program, component, policy, log):
    with open(log, "rb") as lines:
        first = lines.readline()
    host = subprocess.Popen([program, component, policy, "/dev/stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host.stdin.write(first)
    for _ in range(int(gigabytes) << 10):
        host.stdin.write(CHUNK)
    host.stdin.write(b'\n{"t":"head"}\n')
    report = json.loads(host.communicate()[0])
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    said = (report["verdict"], report["finding"]["code"], report["finding"]["at"])
    print(f"a line of {gigabytes} GiB: {said}, in {most} MiB")
    if host.returncode != 0 or said != ("invalid", "malformed", {"line": 2}) or most > MOST_MIB:
        sys.exit(f"not what was expected: at most {MOST_MIB} MiB, and the second line malformed")


main(*sys.argv[1:])
