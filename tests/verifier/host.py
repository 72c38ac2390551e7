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
verifier = Verifier()
print(json.dumps("ready"), flush=True)
while head := sys.stdin.buffer.read(4):
    log = sys.stdin.buffer.read(int.from_bytes(head, "big"))
    # In pieces, of another size than any other host's.
    report = verifier.verify((log[at:at + 1000] for at in range(0, len(log), 1000)), **options)
    print(json.dumps([report.json, report.text]), flush=True)
