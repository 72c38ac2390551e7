#!/usr/bin/env python3
"""Both ends of a wire as nobody should be, over real sockets.

    hostile_wire.py serve-endless         answers every request with a body of 1 GB, of which it never stops sending
    hostile_wire.py measure COMMAND..     runs a command, and says on its last line how many MiB its process ever had
    hostile_wire.py stall URL TOKEN       posts the beginning of a call and no more, and says what the server answered
    hostile_wire.py post-random URL TOKEN COUNT SEED
                                          posts random bodies, and ends with an error where one is not refused or answered
    hostile_wire.py stand-between URL LIE passes calls on to a server, and answers of it with one of the LIES; ends with an error,
                                          when it is interrupted, where a client has gone on from a head that was made up
"""

import base64
import http.client
import http.server
import json
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

LENGTH = 1 << 30


def serve_endless():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer_endlessly, args=(connection,), daemon=True).start()


def answer_endlessly(connection):
    sent = 0
    with connection:
        try:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % LENGTH)
            while sent < LENGTH:
                sent += connection.send(b" " * (1 << 16))
        except OSError:
            pass
    print(f"{sent >> 20} MiB were taken", file=sys.stderr, flush=True)


def measure(command):
    status = subprocess.run(command).returncode
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
    return status


def stall(url, token):
    address = urllib.parse.urlsplit(url)
    began = time.monotonic()
    with socket.create_connection((address.hostname, address.port), timeout=150) as connection:
        head = f"POST / HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {token}\r\ncontent-length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b'{"method":')
        answer = connection.recv(1 << 16)
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    print(f"after {time.monotonic() - began:.0f} s: {status or 'the connection was closed'}")


# Calls that write nothing to a log that is there.
CALLS = [
    ("init", ["a", 1]),
    ("secure-log-heads", [None, 3]),
    ("secure-log-entries", [{"stream-id": "a", "from-seqno": 1, "to-seqno": 9, "limit": 9}]),
    ("secure-log-nodes", [[{"tree": {"segment": 1}, "level": 4, "index": 0}]]),
    ("secure-log-hashes", ["log", 0, 5]),
    ("secure-log-indexed", [{"key": "AAAAAAAAAAAAAAAAAAAAAA==", "from-seqno": 1, "to-seqno": 9, "newest-first": True, "limit": 9}]),
    ("secure-log-index-rows", [{"key": "AAAAAAAAAAAAAAAAAAAAAA==", "seqno": 1}, 9]),
    ("secure-log-insert", [{"expected": None, "rows": [], "streams": [], "nodes": [], "index": [], "hashes": "", "entries": ""}]),
]


def random_body(draw):
    if draw.randrange(3) == 0:
        return draw.randbytes(draw.randrange(200))
    body = bytearray(call(*draw.choice(CALLS)))
    for _ in range(draw.randrange(3)):
        place = draw.randrange(len(body) + 1)
        match draw.randrange(3):
            case 0:
                del body[place:]
            case 1:
                body[place : place + 1] = draw.randbytes(1)
            case _:
                body[place:place] = draw.choice([b"{", b"}", b"[", b"]", b'"', b",", b":", b"0", b"\\"])
    return bytes(body)


def call(method, params):
    return json.dumps({"method": method, "params": params}, separators=(",", ":")).encode()


def post(connection, token, body):
    connection.request("POST", "/", body, {"authorization": f"Bearer {token}"})
    response = connection.getresponse()
    return response.status, response.read()


def post_random(url, token, count, seed):
    draw = random.Random(seed)
    address = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    statuses = {}
    for number in range(count):
        body = random_body(draw)
        try:
            status, answer = post(connection, token, body)
        except (http.client.HTTPException, ConnectionError):
            # A server may close a connection at any time, but not twice for one body.
            connection = http.client.HTTPConnection(address, timeout=60)
            status, answer = post(connection, token, body)
        if status == 200:
            json.loads(answer)
        elif not 400 <= status < 500:
            return f"body {number} of seed {seed}, {body!r}: status {status}, {answer!r}"
        statuses[status] = statuses.get(status, 0) + 1
    print(f"{count} random bodies: {', '.join(f'{times} with status {status}' for status, times in sorted(statuses.items()))}")
    return 0


class Between(http.server.BaseHTTPRequestHandler):
    """Passes calls on. What it answers instead, `lie` decides."""

    protocol_version = "HTTP/1.1"
    upstream = lie = None
    asked_for_heads = 0
    # Size of a head that nobody signed.
    made_up = None
    gone_on = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.token = self.headers["authorization"].removeprefix("Bearer ")
        posted = json.loads(body)
        expected = posted["params"][0].get("expected") if posted["method"] == "secure-log-insert" else None
        if expected and expected["size"] == Between.made_up:
            Between.gone_on = True
        answer = LIES[self.lie](self, posted["method"], body)
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def truly(self, body):
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        return post(connection, self.token, body)[1]

    def head(self, below):
        return json.loads(self.truly(call("secure-log-heads", [below, 1])))["ok"][0]

    def wrong_types(self, method, body):
        return b'{"ok":"text"}' if method == "secure-log-heads" else self.truly(body)

    def cut_short(self, method, body):
        answer = self.truly(body)
        return answer[: len(answer) // 2] if method == "secure-log-heads" else answer

    def changed_rows(self, method, body):
        answer = self.truly(body)
        if method != "secure-log-entries":
            return answer
        answer = json.loads(answer)
        for row in answer["ok"]:
            entry = bytearray(base64.b64decode(row["entry"]["bytes"]))
            entry[-40] ^= 1
            row["entry"]["bytes"] = base64.b64encode(entry).decode()
        return json.dumps(answer).encode()

    def old_conflict(self, method, body):
        return conflict(self.head(2)["head"]) if method == "secure-log-insert" else self.truly(body)

    def forged_conflict(self, method, body):
        if method != "secure-log-insert":
            return self.truly(body)
        head = self.head(None)["head"]
        Between.made_up = head["size"] + 1
        return conflict(head | {"size": Between.made_up, "root": base64.b64encode(b"\xaa" * 32).decode()})

    def backwards(self, method, body):
        if method == "secure-log-insert":
            return conflict(self.head(None)["head"])
        if method == "secure-log-heads":
            Between.asked_for_heads += 1
            if Between.asked_for_heads > 1:
                return json.dumps({"ok": [self.head(2)]}).encode()
        return self.truly(body)

    def log_message(self, *_):
        pass


def conflict(head):
    return json.dumps({"err": {"conflict": [head]}}).encode()


LIES = {
    "wrong-types": Between.wrong_types,
    "cut-short": Between.cut_short,
    "changed-rows": Between.changed_rows,
    "old-conflict": Between.old_conflict,
    "forged-conflict": Between.forged_conflict,
    "backwards": Between.backwards,
}


def stand_between(url, lie):
    Between.upstream, Between.lie = urllib.parse.urlsplit(url).netloc, lie
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("a client went on from a head that was made up" if Between.gone_on else 0))
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve-endless"]:
            serve_endless()
        case ["measure", *command]:
            sys.exit(measure(command))
        case ["stall", url, token]:
            stall(url, token)
        case ["post-random", url, token, count, seed]:
            sys.exit(post_random(url, token, int(count), int(seed)))
        case ["stand-between", url, lie] if lie in LIES:
            stand_between(url, lie)
        case _:
            sys.exit(__doc__)
