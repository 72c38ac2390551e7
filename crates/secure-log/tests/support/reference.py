"""Answers the verdicts of tools/secure_log_ref.py, as a module, for files that come on standard input.

    reference.py FOLDER-OF-THE-REFERENCE LOG.json verify|verify_bundle|verify_chain

Each file comes as its length in four big-endian bytes and its bytes; each answer is one line of JSON. The first line
says that everything that is needed is there. The files of a chain come as one, each with its own length before it.
"""
import io, json, sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import blake3, cryptography  # noqa: F401: without them the reference would answer incomplete
import secure_log_ref as ref

with open(sys.argv[2]) as f:
    keys = json.load(f)
verify = getattr(ref, sys.argv[3])
trust = dict(origin=keys["origin"], vkeys=[keys["vkey"]], witnesses=[keys["witness"]], signers=[keys["signer"]],
             hmac_keys=[bytes.fromhex(keys["hmac_key"])])


def files_of(chain):
    files = []
    while chain:
        end = 4 + int.from_bytes(chain[:4], "big")
        files.append(chain[4:end])
        chain = chain[end:]
    return files


def answer(log):
    ref.open = lambda path, mode: io.BytesIO(log)      # the reference reads a path; this one is in memory
    if verify is ref.verify_chain:
        ref.open = lambda path, mode: io.BytesIO(path)  # and here a path is the file itself
        verdict, report = verify(files_of(log), **trust)
        return dict(report, verdict=verdict)
    try:
        verdict, report = verify("a file in memory", **trust)
    except ref.Finding as f:
        return dict(verdict="invalid", finding=f.code, where=f.where)
    except Exception as e:                              # the reference failed: that is a bug, too
        return dict(verdict="failed", finding=repr(e)[:300])
    return dict(report, verdict=verdict)


print(json.dumps("ready"), flush=True)
while head := sys.stdin.buffer.read(4):
    print(json.dumps(answer(sys.stdin.buffer.read(int.from_bytes(head, "big")))), flush=True)
