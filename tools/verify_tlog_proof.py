#!/usr/bin/env python3
"""Checks a .tlog-proof of a secure-log with no code of the product: docs/proofs.md, step by step.

    verify_tlog_proof.py VERIFIER-KEY <entry.tlog-proof

It needs the package `cryptography` for Ed25519, and Python's own SHA-256. The key is `<name>+<id>+<base64>`, of type 01.
Entries of the suite sha-256 only; of another suite it says so and gives no verdict. Exit codes: 0 the entry is in the log,
1 it is not shown, 2 it could not be checked.
"""
import base64
import hashlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    pass


def check(holds, otherwise):
    if not holds:
        raise Wrong(otherwise)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read_key(text):
    """Name, id and public key of a verifier key."""
    name, key_id, blob = text.split("+", 2)
    typed = base64.b64decode(blob, validate=True)
    check(typed[:1] == b"\x01" and len(typed) == 33, "not a verifier key of type 01, Ed25519")
    check(sha256(name.encode(), b"\n", typed)[:4].hex() == key_id, "the id of the verifier key is not its own")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(typed[1:])


def read_head(note, key):
    """Size and root of a head that the key signed."""
    name, key_id, public = key
    text, lines = note.rsplit("\n\n", 1)
    text += "\n"
    signed = False
    for line in lines.removesuffix("\n").split("\n"):
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob, validate=True)
        check(dash == "\u2014", "not a signature line")
        if (signer, blob[:4]) == (name, key_id):
            public.verify(blob[4:], text.encode())
            signed = True
    check(signed, "the key did not sign the head")
    origin, size, root = text.removesuffix("\n").split("\n")
    check(origin == name, f"a head of {origin!r} and not of {name!r}")
    return int(size), base64.b64decode(root, validate=True)


def root_of(leaf, index, size, hashes):
    """Where the hashes lead to from a leaf: which half of the tree it is in, from the root down."""
    if size == 1:
        check(not hashes, "the proof has more hashes than it needs")
        return leaf
    check(hashes, "the proof has too few hashes")
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        return sha256(b"\x01", root_of(leaf, index, half, hashes[:-1]), hashes[-1])
    return sha256(b"\x01", hashes[-1], root_of(leaf, index - half, size - half, hashes[:-1]))


def uint(cbor, at):
    """The CBOR number at this place, and what follows it."""
    length = {24: 1, 25: 2, 26: 4, 27: 8}.get(cbor[at] & 31, 0)
    value = int.from_bytes(cbor[at + 1 : at + 1 + length], "big") if length else cbor[at] & 31
    return value, at + 1 + length


def version_and_seqno(entry):
    """Items 0 and 4 of the twelve of an entry (docs/format.md s.2); between them stand three texts."""
    check(entry[0] == 0x8C, "the extra data is no entry")
    version, at = uint(entry, 1)
    for _ in range(3):
        length, at = uint(entry, at)
        at += length
    return version, uint(entry, at)[0]


def main():
    key = read_key(sys.argv[1])
    proof, note = sys.stdin.read().split("\n\n", 1)
    first, extra, index, *hashes = proof.split("\n")
    check(first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index "), "not a proof")
    entry = base64.b64decode(extra.removeprefix("extra "), validate=True)
    index = int(index.removeprefix("index "))
    size, root = read_head(note, key)
    check(index < size, f"there is no leaf {index} in a tree of {size}")
    version, seqno = version_and_seqno(entry)
    check(seqno == index + 1, f"it is entry {seqno} that is offered as entry {index + 1}")
    if version != 1:
        print(f"COULD NOT BE CHECKED: the entry is of version {version}, and this script knows SHA-256 alone")
        return 2
    # The leaf is made of the entry's hash, not of the entry: so the log's tree needs no entry to be kept.
    leaf = sha256(b"\x00", sha256(entry))
    hashes = [base64.b64decode(line, validate=True) for line in hashes]
    check(root_of(leaf, index, size, hashes) == root, "the proof leads to another root")
    print(f"valid: entry {seqno} of {key[0]}, under its head of size {size}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Wrong, InvalidSignature, ValueError, IndexError) as error:
        print(f"NOT SHOWN: {error or 'the signature of the head is wrong'}")
        sys.exit(1)
