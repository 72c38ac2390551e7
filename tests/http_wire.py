#!/usr/bin/env python3
"""A client of the HTTP service over the wire. It shares no code with the product; what the log says is checked with
tools/secure_log_ref.py and tools/verify_tlog_proof.py.

    http_wire.py walk URL FOLDER              every kind of route once, and what it is held to
    http_wire.py race URL FOLDER THREADS COUNT
                                              so many clients append so much each, all of it with a key and twice at once
    http_wire.py denied URL FOLDER            calls that are denied, and that they are recorded
    http_wire.py flood URL FOLDER             more denied calls than are recorded

FOLDER holds tokens, each in a file of its own: all, reader (reads the log app), expired.
"""

import concurrent.futures
import http.client
import json
import pathlib
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
JSON = "application/json"
KEY = "checkpoint-ed25519"
PATIENCE_SECONDS = 60


def check(holds, *said):
    if not holds:
        raise SystemExit(f"http_wire.py: {said}")


class Client:
    """Whoever has a token."""

    def __init__(self, url, folder, name="all"):
        self.place = urllib.parse.urlsplit(url)
        self.folder = pathlib.Path(folder)
        self.token = (self.folder / name).read_text().strip() if name else None

    def connect(self, seconds=120):
        return http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=seconds)

    def send(self, method, path, body=None, headers=(), connection=None):
        connection = connection or self.connect()
        sent = dict(headers)
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        connection.request(method, path, body=body, headers=sent)
        return connection.getresponse()

    def call(self, method, path, body=None, headers=()):
        """Status, headers in lower case, and the body: read as JSON where it is that."""
        with self.send(method, path, body, headers) as response:
            text = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            kind = found.get("content-type", "")
            if text and "json" in kind and "ndjson" not in kind:
                text = json.loads(text)
            return response.status, found, text

    def get(self, path):
        status, _, found = self.call("GET", path)
        check(status == 200, path, status, found)
        return found

    def post(self, path, value, status=201, kind=JSON, headers=()):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        found = self.call("POST", path, body, {"content-type": kind, **dict(headers)})
        check(found[0] == status, path, found)
        return found[2]

    def refused(self, status, case, method, path, body=None, headers=()):
        found, said, problem = self.call(method, path, body, headers)
        check(said.get("content-type") == "application/problem+json", path, found, said, problem)
        check((found, problem["type"]) == (status, f"/problems/{case}"), path, found, problem)
        return problem


def record(text, stream="auth"):
    return {"stream": stream, "event": "user.login", "severity": "notice", "text": text}


def everything(client, log, query=""):
    """All entries that a filter finds, page by page."""
    entries, cursor = [], ""
    while True:
        page = client.get(f"/v1/logs/{log}/records?limit=100{query}{cursor}")
        entries += page["entries"]
        if page["next"] is None:
            return entries
        cursor = f"&cursor={page['next']}"


def walk(url, folder):
    client = Client(url, folder)
    for path in ("/healthz", "/readyz"):
        status, headers, _ = Client(url, folder, None).call("GET", path)
        check(status == 200 and headers["cache-control"] == "no-store", path, status, headers)
    client.refused(404, "log-not-found", "GET", "/v1/logs/app")
    client.refused(404, "log-not-found", "POST", "/v1/logs/app/records", json.dumps(record("a")), {"content-type": JSON})
    check(client.post("/v1/logs", {"id": "app"})["size"] == 0)
    client.refused(409, "log-exists", "POST", "/v1/logs", json.dumps({"id": "app"}), {"content-type": JSON})
    check(client.get("/v1/logs")["logs"] == ["app", "service"])
    append(client)
    prove(client)
    tail(client)
    bounds(client)
    check(client.get("/v1/logs/app/verify")["verdict"] == "valid")
    check("secure_log_verification_age_seconds " in client.get("/metrics").decode())
    status, headers, body = client.call("HEAD", "/v1/logs/app")
    check((status, body) == (200, b"") and headers["content-type"] == JSON, status, headers, body)
    status, headers, _ = client.call("OPTIONS", "/v1/logs")
    check(status == 204 and "POST" in headers["allow"], status, headers)
    print("every kind of route does what it is there for")


def append(client):
    records = "/v1/logs/app/records"
    check([entry["seqno"] for entry in client.post(records, record("1"))["entries"]] == [1])
    check([entry["seqno"] for entry in client.post(records, [record("2"), record("3", "other")])["entries"]] == [2, 3])
    lines = "".join(json.dumps(record(str(n))) + "\n" for n in range(4, 254))
    check(client.post(records, lines, kind="application/x-ndjson")["size"] == 253)
    headers = {"content-type": JSON, "idempotency-key": "once"}
    first = client.call("POST", records, json.dumps(record("254")), headers)
    again = client.call("POST", records, json.dumps(record("254")), headers)
    check(first[0] == again[0] == 201 and "idempotency-replayed" not in first[1], first, again)
    check(again[1]["idempotency-replayed"] == "true" and again[2]["entries"] == first[2]["entries"], first, again)
    client.refused(422, "idempotency-key-reused", "POST", records, json.dumps(record("x")), headers)
    # 254 records, and the entry of the key.
    check([entry["seqno"] for entry in everything(client, "app")] == list(range(1, 256)))
    check([entry["text"] for entry in everything(client, "app", "&stream=other")] == ["3"])
    check(client.get("/v1/logs/app/records/7")["text"] == "7")
    check([stream["name"] for stream in client.get("/v1/logs/app/streams")["streams"]][:2] == ["auth", "other"])


def prove(client):
    signed = client.post("/v1/logs/app/checkpoint", {"key_id": KEY}, status=200)
    check((signed["size"], signed["algorithm"]) == (255, "ed25519"), signed)
    vkey = client.get("/v1/logs/app")["head_key"]
    proof = client.get("/v1/logs/app/proof/3")
    run(["tools/verify_tlog_proof.py", vkey], proof, 0)
    # Its own first hash is another one then.
    lines = proof.decode().splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if at > 2 and len(line) == 45 and line.endswith("=\n"))
    lines[at] = ("B" if lines[at][0] != "B" else "C") + lines[at][1:]
    run(["tools/verify_tlog_proof.py", vkey], "".join(lines).encode(), 1)
    check(len(client.get("/v1/logs/app/inclusion/3?size=255")["hashes"]) == 8)
    check(client.get("/v1/logs/app/consistency/253?second=255")["second"] == 255)
    check(client.get("/v1/logs/app/checkpoint").decode().splitlines()[:2] == [signed["origin"], "255"])
    exported = client.folder / "exported.jsonl"
    exported.write_bytes(client.get("/v1/logs/app/export"))
    said = json.loads(run(["tools/secure_log_ref.py", "verify", str(exported), "--trust", vkey], b"", 0))
    check(said["verdict"] == "valid", said)
    whole = exported.read_bytes()
    check(b"user.login" in whole, "the export has no entry")
    exported.write_bytes(whole.replace(b"user.login", b"user.logix", 1))
    run(["tools/secure_log_ref.py", "verify", str(exported), "--trust", vkey], b"", 1)
    exported.unlink()
    check(client.get("/v1/logs/app/export?format=csv").count(b"\n") > 255, "rows are missing")


def run(command, given, code):
    done = subprocess.run([sys.executable, *command], input=given, cwd=ROOT, capture_output=True)
    check(done.returncode == code, command, done)
    return done.stdout


def tail(client):
    """What is there already, and then what another request appends."""
    response = client.send("GET", "/v1/logs/app/tail?from=254&topic=auth/%23")
    check(response.status == 200 and response.getheader("content-type") == "text/event-stream", response.status)
    events = read_events(response)
    check(next(events) == (254, "254"))
    client.post("/v1/logs/app/records", record("another", "elsewhere"))
    client.post("/v1/logs/app/records", record("news"))
    check(next(events) == (257, "news"))
    # It goes away in the middle, and says later where it was.
    response.close()
    response = client.send("GET", "/v1/logs/app/tail?topic=auth/%23", headers={"last-event-id": "256"})
    check(next(read_events(response)) == (257, "news"))
    response.close()


def read_events(response):
    seqno = None
    for line in response:
        if line.startswith(b"id: "):
            seqno = int(line[4:])
        if line.startswith(b"data: "):
            yield seqno, json.loads(line[6:])["text"]


def bounds(client):
    """The servers of the tests take bodies of 100,000 bytes."""
    records, headers = "/v1/logs/app/records", {"content-type": JSON}
    client.refused(413, "body-too-large", "POST", records, b"x" * 200_000, headers)
    client.refused(413, "body-too-large", "POST", records, iter([b"x" * 50_000] * 4), headers)
    client.refused(413, "body-too-large", "POST", "/v1/logs/app/checkpoint", b"x" * 5_000, headers)
    client.refused(400, "malformed", "POST", records, b"{", headers)
    client.refused(415, "unsupported-media-type", "POST", records, b"{}", {"content-type": "text/plain"})
    client.refused(404, "not-found", "GET", "/v1")
    client.refused(405, "method-not-allowed", "DELETE", records)


def denied(url, folder):
    calls = [
        (None, "GET", "/v1/logs/app", 401, "unauthorized", "unauthorized"),
        ("expired", "GET", "/v1/logs/app", 401, "unauthorized", "expired"),
        ("reader", "GET", "/v1/logs/another", 403, "forbidden", "another-log"),
        ("reader", "POST", "/v1/logs/app/records", 403, "forbidden", "scope"),
        ("reader", "POST", "/v1/logs", 403, "forbidden", "scope"),
        ("reader", "GET", "/metrics", 403, "forbidden", "another-log"),
    ]
    for name, method, path, status, case, _ in calls:
        Client(url, folder, name).refused(status, case, method, path)
    Client(url, folder, "reader").get("/v1/logs/app")
    client = Client(url, folder)
    found = [json.loads(entry["text"]) for entry in everything(client, "service", "&event=call.denied")]
    wanted = [(why, name if name else None) for name, *_, why in calls]
    check([(entry["why"], entry["token"]) for entry in found] == wanted, found)
    check({entry["log"] for entry in found} == {"app", "another", None}, found)
    secrets = [path.read_text().strip() for path in pathlib.Path(folder).iterdir() if path.is_file()]
    text = json.dumps(everything(client, "service"))
    check(not any(secret in text for secret in secrets), "a token is in the service's own log")
    print("every denied call is recorded, and no token with it")


def flood(url, folder):
    stranger, client = Client(url, folder, None), Client(url, folder)
    before, began = len(everything(client, "service", "&event=call*.denied")), time.monotonic()
    calls, window, most = 40, 10, 32
    for _ in range(calls):
        stranger.refused(401, "unauthorized", "GET", "/v1/logs/app")
    windows = 1 + int((time.monotonic() - began) / window)
    found = [entry["event"] for entry in everything(client, "service", "&event=call*.denied")][before:]
    # On a machine that is slow enough, none is too many.
    check(len(found) <= min(calls, windows * most), len(found), windows)
    check(windows > 1 or found.count("calls.denied") == 1, found)
    print("a flood of denied calls is an entry each, up to as many as there may be")


def race(url, folder, threads, count):
    """Every request is sent twice at the same time, as a client does that is impatient."""
    client = Client(url, folder)
    before = len(everything(client, "app", "&stream=race"))

    def once(key):
        began, tries = time.monotonic(), 0
        headers = {"content-type": JSON, "idempotency-key": key}
        while True:
            tries += 1
            status, said, found = client.call("POST", "/v1/logs/app/records", json.dumps(record(key, "race")), headers)
            if status == 201:
                return [entry["seqno"] for entry in found["entries"]], tries
            check(status == 503 and "retry-after" in said, key, status, said, found)
            check(time.monotonic() - began < PATIENCE_SECONDS, key, "nobody comes to append", found)
            time.sleep(int(said["retry-after"]) / 4)

    began = time.monotonic()
    keys = [f"race-{before}-{n}" for n in range(threads * count) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(once, keys))
    took = time.monotonic() - began
    check(all(one[0] == other[0] for one, other in zip(answers[::2], answers[1::2])), "two answers to one request")
    found = [entry["text"] for entry in everything(client, "app", "&stream=race")][before:]
    check(sorted(found) == sorted(set(keys)), "appended", len(found), "of", len(set(keys)))
    more = sum(tries for _, tries in answers) - len(keys)
    check(client.get("/v1/logs/app/verify")["verdict"] == "valid")
    print(f"{len(found)} records by {threads} clients, each sent twice: all are there once; {more} came again; {took:.1f} s")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["walk", url, folder]:
            walk(url, folder)
        case ["race", url, folder, threads, count]:
            race(url, folder, int(threads), int(count))
        case ["denied", url, folder]:
            denied(url, folder)
        case ["flood", url, folder]:
            flood(url, folder)
        case _:
            sys.exit(__doc__)
