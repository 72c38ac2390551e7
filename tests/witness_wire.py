#!/usr/bin/env python3
"""Logs at the other end of a witness's wire. It shares no code with the product: trees, proofs, notes and cosignatures are
those of tools/secure_log_ref.py, and signatures those of the package cryptography.

    witness_wire.py keys FOLDER COUNT           makes the witness's key and a policy of so many logs; prints the witness's vkey
    witness_wire.py answers URL VKEY            has one log cosigned, and checks every status that there is
    witness_wire.py race URL URL VKEY FIRST COUNT SECONDS
                                                two processes submit conflicting heads of each log at once, through servers of
                                                one witness that may be killed meanwhile; after so long they begin no further
                                                log
    witness_wire.py hostile URL SEED COUNT SECONDS
                                                sends what no client would, for no longer than that
    witness_wire.py stall URL                   sends the beginning of a body and no more; says what was answered
    witness_wire.py serve KIND FILE             is a witness, and but for the first kind no good one; writes the line of a policy
                                                that names it; KIND: KINDS
"""

import base64
import hashlib
import http.client
import http.server
import multiprocessing
import os
import pathlib
import random
import socket
import sys
import time
import urllib.parse

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
import secure_log_ref as ref  # noqa: E402

NAME = "witness.example/w"
LABEL = "witness-ed25519"
PASSPHRASE = b"test"
SIZES = 6


class Log:
    """A log whose key follows from its number; `history` tells logs of one number apart."""

    def __init__(self, number, history=0):
        self.origin = f"log.example/{number}"
        self.key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.origin.encode()).digest())
        self.leaves = [ref.leaf(hashlib.sha256(b"%d %d" % (history, n)).digest()) for n in range(64)]

    def vkey(self):
        return ref.make_vkey(self.origin, raw(self.key))

    def text(self, size):
        return ref.note_text(self.origin, size, ref.root(self.leaves[:size]))

    def line(self, text):
        key_id = bytes.fromhex(self.vkey().split("+")[1])
        return f"\u2014 {self.origin} {ref.b64(key_id + self.key.sign(text.encode()))}\n"

    def body(self, old, size):
        proof = ref.consistency(self.leaves[:size], old) if 0 < old < size else []
        lines = "".join(ref.b64(step) + "\n" for step in proof)
        text = self.text(size)
        return f"old {old}\n{lines}\n{text}\n{self.line(text)}"


def raw(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def keys(folder, count):
    folder.mkdir(mode=0o700)
    key = Ed25519PrivateKey.generate()
    encryption = serialization.BestAvailableEncryption(PASSPHRASE)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    with open(folder / f"{LABEL}.p8", "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)
    (folder / "logs.txt").write_text("".join(f"log {Log(number).vkey()}\n" for number in range(count)))
    print(ref.make_vkey(NAME, raw(key), b"\x04"))


def call(url, method, path, body=None, timeout=30):
    """Status, content type and text. An error of the connection says nothing of what became of the call."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type"), answer.read().decode()
    finally:
        connection.close()


def add(url, body):
    return call(url, "POST", "/add-checkpoint", body.encode() if isinstance(body, str) else body)


def check_cosignature(said, text, vkey):
    name, key_id, algorithm, key = ref.parse_vkey(vkey)
    assert said.startswith("\u2014 ") and said.endswith("\n") and said.count("\n") == 1, said
    line = said[2:-1]
    assert ref.check_note_line(line, text, {(name, key_id): (algorithm, key)}) == name, line
    seconds = int.from_bytes(ref.unb64(line.split(" ")[1])[4:12], "big")
    assert abs(seconds - time.time()) < 60, f"a cosignature of another time: {seconds}"


def answers(url, vkey):
    log, other, unknown = Log(0), Log(0, 1), Log("unknown")
    expect = lambda status, body: expect_status(status, add(url, body))
    assert call(url, "GET", "/verifier-key")[2] == vkey + "\n"
    page = f"/{hashlib.sha256(log.origin.encode()).hexdigest()}/checkpoint"
    expect_status(404, call(url, "GET", page))
    for old, size in [(0, 0), (0, 1), (1, 1), (1, 7), (7, 8), (8, 20)]:
        check_cosignature(expect(200, log.body(old, size)), log.text(size), vkey)
    for old, size in [(0, 20), (8, 20), (21, 30), (0, 5)]:
        assert add(url, log.body(old, size)) == (409, "text/x.tlog.size", "20\n"), (old, size)
    assert add(url, other.body(20, 20)) == (409, "text/x.tlog.size", "20\n")
    expect(422, other.body(20, 30))
    expect(400, log.body(20, 30).replace("old 20", "old 31"))
    expect(400, log.body(20, 30)[:-1])
    expect(403, log.body(20, 30).replace(log.line(log.text(30)), ""))
    expect(403, log.body(20, 30).replace(log.line(log.text(30)), log.line(log.text(29))))
    expect(404, unknown.body(0, 5))
    text, *lines = expect_status(200, call(url, "GET", page)).split("\n\n")
    assert text + "\n" == log.text(20)
    ours, cosignature = lines[0].split("\n", 1)
    assert ours + "\n" == log.line(log.text(20))
    check_cosignature(cosignature, log.text(20), vkey)
    check_cosignature(expect(200, log.body(20, 64)), log.text(64), vkey)
    print("each status, and each cosignature that another implementation checked, is as it should be")


def expect_status(status, answer):
    assert answer[0] == status, f"{answer} and not {status}"
    return answer[2]


def race(urls, vkey, first, count, seconds):
    """Every process submits its history of each log, a size after the other, until it is cosigned or refused for good."""
    deadline = time.monotonic() + seconds
    forking = multiprocessing.get_context("fork")
    over = forking.Event()
    # One of the two decides for both, as each would come to another answer.
    barrier = forking.Barrier(2, lambda: over.set() if time.monotonic() > deadline else None)
    with forking.Manager() as manager:
        cosigned = manager.list()
        racer = lambda history: (urls[history - 1], vkey, first, count, history, barrier, over, cosigned)
        racers = [forking.Process(target=run_race, args=racer(history)) for history in (1, 2)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert [racer.exitcode for racer in racers] == [0, 0], "a client failed"
        won = [0, 0]
        begun = {log for log, _, _ in cosigned}
        assert begun and (over.is_set() or len(begun) == count), f"{len(begun)} logs of {count} were begun"
        for number in sorted(begun):
            here = [(history, size) for log, history, size in cosigned if log == number]
            histories = {history for history, _ in here}
            assert len(histories) == 1, f"log {number}: of two histories these heads were cosigned: {sorted(here)}"
            assert {size for _, size in here} == set(range(1, SIZES + 1)), f"log {number}: {sorted(here)}"
            won[histories.pop() - 1] += 1
    print(f"{len(begun)} logs, each with two histories: one of them was cosigned, {won[0]} times the first and {won[1]} times the other")


def run_race(url, vkey, first, count, history, barrier, over, cosigned):
    try:
        for number in range(first, first + count):
            log = Log(number, history)
            barrier.wait(timeout=300)
            if over.is_set():
                break
            for size in range(1, SIZES + 1):
                if not submit(url, vkey, log, size - 1, size):
                    break
                cosigned.append((number, history, size))
    except BaseException:
        # The other one would wait for nobody.
        barrier.abort()
        raise


def submit(url, vkey, log, old, size):
    """Whether it was cosigned. A server that is away is asked again, and may have taken the head before."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            status, kind, said = add(url, log.body(old, size))
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            continue
        if status == 200:
            check_cosignature(said, log.text(size), vkey)
            return True
        assert status in (409, 422), (status, said)
        if status == 409 and said == f"{size}\n" and old != size:
            old = size
            continue
        return False
    raise AssertionError("the server did not come back")


def hostile(url, seed, count, seconds):
    dice = random.Random(seed)
    log = Log(0)
    good = log.body(64, 64).encode()
    before = add(url, log.body(0, 1))
    statuses, deadline = {}, time.monotonic() + seconds
    for _ in range(count):
        if time.monotonic() > deadline:
            break
        body = mangled(dice, good)
        method = dice.choice(["POST"] * 8 + ["PUT", "DELETE", "PATCH", "GET"])
        path = dice.choice(["/add-checkpoint"] * 8 + ["/", "/add-checkpoint/", "/../etc/passwd", "/%00", "/" + "a" * 4000, f"/{'0' * 64}/checkpoint", "/healthz", "*"])
        try:
            status = call(url, method, path, body)[0]
        except http.client.HTTPException as error:
            status = type(error).__name__
        except (ConnectionError, socket.timeout) as error:
            # Who is refused before all was read may find the connection closed.
            status = type(error).__name__
            assert len(body) > 1 << 17, (status, len(body))
        statuses[status] = statuses.get(status, 0) + 1
        allowed = status in (200,) and (path in ("/healthz",) or body == good) or type(status) is str or 400 <= status < 500
        assert allowed, f"seed {seed}: {method} {path} {body[:300]!r}: {status}"
    assert add(url, log.body(0, 1)) == before, "what nobody signed changed what the witness has"
    assert call(url, "GET", "/healthz")[0] == 200
    print(f"seed {seed}: {sum(statuses.values())} hostile requests were answered {dict(sorted(statuses.items(), key=str))}")


def mangled(dice, good):
    kind = dice.randrange(8)
    if kind == 0:
        return dice.randbytes(dice.randrange(2000))
    if kind == 1:
        return bytes(dice.randrange(32, 127) for _ in range(dice.randrange(500)))
    if kind == 2:
        return good[: dice.randrange(len(good))]
    if kind == 3:
        return good + dice.randbytes(1 + dice.randrange(50))
    if kind == 4:
        return b"old 64\n" + b"A" * dice.choice([1 << 10, 1 << 16, (1 << 17) + 1, 1 << 20])
    if kind == 5:
        return b"old 64\n" + (base64.b64encode(bytes(32)) + b"\n") * dice.randrange(1, 3000) + good[7:]
    changed = bytearray(good)
    for _ in range(1 + dice.randrange(3)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def stall(url):
    address = urllib.parse.urlsplit(url)
    began = time.monotonic()
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(f"POST /add-checkpoint HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: 1000\r\n\r\nold 0".encode())
        answer = connection.recv(1 << 16)
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    assert " 408 " in status, status
    print(f"after {time.monotonic() - began:.0f} s: {status}")


KINDS = ("good", "wrong-key", "wrong-signature", "wrong-name", "no-time", "late-time", "cut", "endless", "late", "nonsense")


def serve(kind, file):
    key = Ed25519PrivateKey.generate()
    vkey = ref.make_vkey(NAME, raw(key), b"\x04")
    shown = (NAME, vkey)
    if kind == "wrong-key":
        key = Ed25519PrivateKey.generate()
        shown = (NAME, ref.make_vkey(NAME, raw(key), b"\x04"))
    if kind == "wrong-name":
        shown = ("another.example/w", ref.make_vkey("another.example/w", raw(key), b"\x04"))

    class Witness(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            text = body.split("\n\n", 2)[1] + "\n"
            answer = cosignature(kind, key, shown, text).encode()
            if kind == "late":
                time.sleep(30)
            try:
                self.send_response(409 if kind == "nonsense" else 200)
                self.send_header("content-type", "text/x.tlog.size")
                self.send_header("content-length", str({"endless": 1 << 30, "cut": len(answer) + 1}.get(kind, len(answer))))
                self.end_headers()
                self.wfile.write(answer)
                while kind == "endless":
                    self.wfile.write(b"\n" * (1 << 16))
            except OSError:
                pass

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    pathlib.Path(file + ".new").write_text(f"witness w {vkey} {url}\n")
    os.rename(file + ".new", file)
    server.serve_forever()


def cosignature(kind, key, shown, text):
    if kind == "nonsense":
        return "many\n"
    name, vkey = shown
    seconds = {"no-time": 0, "late-time": 1 << 63}.get(kind, int(time.time()))
    signature = key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
    if kind == "wrong-signature":
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    key_id = bytes.fromhex(vkey.split("+")[1])
    return f"\u2014 {name} {ref.b64(key_id + seconds.to_bytes(8, 'big') + signature)}\n"


def main(arguments):
    match arguments:
        case ["keys", folder, count]:
            keys(pathlib.Path(folder), int(count))
        case ["answers", url, vkey]:
            answers(url, vkey)
        case ["race", one, other, vkey, first, count, seconds]:
            race((one, other), vkey, int(first), int(count), float(seconds))
        case ["hostile", url, seed, count, seconds]:
            hostile(url, int(seed), int(count), float(seconds))
        case ["stall", url]:
            stall(url)
        case ["serve", kind, file] if kind in KINDS:
            serve(kind, file)
        case _:
            sys.exit(__doc__.replace("KINDS", ", ".join(KINDS)))


if __name__ == "__main__":
    main(sys.argv[1:])
