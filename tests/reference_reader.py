#!/usr/bin/env python3
"""Has the reference reader judge a log that a composed stack wrote, with keys that neither of them made.

    reference_reader.py make-keys FOLDER        encrypted keys, as the software keystore reads them
    reference_reader.py head-key ORIGIN FOLDER  the verifier key of who signs heads with the keys in the folder
    reference_reader.py verify LOG FOLDER       exits 0 only when the log is valid and nothing is left unchecked
"""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = b"test"
HEAD_IDENTITY = "checkpoint-ed25519"
IDENTITIES = (HEAD_IDENTITY, "segment-signer")
READER = pathlib.Path(__file__).resolve().parent.parent / "tools" / "secure_log_ref.py"


def main(arguments):
    match arguments:
        case ["make-keys", folder]:
            return make_keys(pathlib.Path(folder))
        case ["head-key", origin, folder]:
            print(verifier_key(origin, pathlib.Path(folder) / f"{HEAD_IDENTITY}.p8"))
            return 0
        case ["verify", log, folder]:
            return verify(pathlib.Path(log), pathlib.Path(folder))
    sys.exit(__doc__)


def make_keys(folder):
    folder.mkdir(mode=0o700)
    for identity in IDENTITIES:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSPHRASE),
        )
        with open(folder / f"{identity}.p8", "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(pem)
    return 0


def verify(log, folder):
    with open(log, encoding="utf-8") as lines:
        origin = json.loads(next(lines))["origin"]
    command = [sys.executable, READER, "verify", log, "--origin", origin]
    command += ["--trust", verifier_key(origin, folder / f"{HEAD_IDENTITY}.p8")]
    for identity in IDENTITIES:
        command += ["--signer", verifier_key(identity, folder / f"{identity}.p8")]
    return subprocess.run(command, check=False).returncode


def verifier_key(name, file):
    """docs/format.md s.6, for Ed25519."""
    key = serialization.load_pem_private_key(file.read_bytes(), PASSPHRASE).public_key()
    public = b"\x01" + key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
