#!/usr/bin/env python3
"""Both ends of a wire as nobody should be, over real sockets.

    hostile_wire.py serve-endless         answers every request with a body of 1 GB, of which it never stops sending
    hostile_wire.py measure COMMAND..     runs a command, and says on its last line how many MiB its process ever had
    hostile_wire.py stall URL TOKEN       posts the beginning of a call and no more, and says what the server answered
"""

import resource
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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve-endless"]:
            serve_endless()
        case ["measure", *command]:
            sys.exit(measure(command))
        case ["stall", url, token]:
            stall(url, token)
        case _:
            sys.exit(__doc__)
