#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What evtrail web answers: to those with the token and without, to names and origins that are not its own, to requests that are none, too
large, too slow, too many; that a browser that does not read holds up nobody; and that its figures are evtrail stat's.
Usage: web.py EVTRAIL SUBJECT FOLDER (with trace.evt and its stat.jsonl)"""
import atexit
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

EVTRAIL, SUBJECT, FOLDER = sys.argv[1:4]
BOUND = 60  # s that anything may take
bad = []


def started(*args, **more):
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL, **more)
    atexit.register(process.kill)  # no harm if it has ended
    return process


def check(what, got, wanted=True):
    if got != wanted:
        bad.append(f"{what}: {got!r}, wanted {wanted!r}")


class Server:
    def __init__(self, *args):
        self.process = started(EVTRAIL, "web", *args, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.match(r"evtrail web: http://([\d.]+):(\d+)/#token=([0-9a-f]{32})$", line)
        if not found:
            raise SystemExit(f"no address: {line!r} {self.process.stderr.read()}")
        self.host, self.port, self.token = found[1], int(found[2]), found[3]

    def connect(self, receive=None, segment=None):
        s = socket.socket()
        if segment:  # the server's buffer is small, too
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        if receive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        s.settimeout(BOUND)
        s.connect((self.host, self.port))
        return s

    def head(self, path="/", method="GET", host=None, token=None, fields=""):
        line = f"Authorization: Bearer {token}\r\n" if token else ""
        return f"{method} {path} HTTP/1.1\r\nHost: {host or f'{self.host}:{self.port}'}\r\n{line}{fields}\r\n"

    def raw(self, text):
        """Sends it, reads to the end: (status, head, body)."""
        s = self.connect()
        s.sendall(text if isinstance(text, bytes) else text.encode())
        return answer(s)

    def ask(self, *args, **more):
        return self.raw(self.head(*args, **more))

    def data(self, after=0):
        status, head, body = self.ask(f"/data?after={after}", token=self.token)
        check("data", status, 200)
        raw = subprocess.run(["zstd", "-dcq"], input=body, capture_output=True, check=True).stdout
        length = struct.unpack("<I", raw[:4])[0]
        return int(re.search(r"X-Number: (\d+)", head)[1]), json.loads(raw[4:4 + length])

    def stream(self):
        s = self.connect()
        s.sendall(self.head("/updates", token=self.token).encode())
        return Stream(s)

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as text:
            return int(re.search(r"VmRSS:\s+(\d+)", text.read())[1])

    def end(self, number):
        self.process.send_signal(number)
        check(f"exit code after {number.name}", self.process.wait(BOUND), 0)
        with socket.socket() as s:
            check("nothing listens any more", s.connect_ex((self.host, self.port)) != 0)


class Stream:
    def __init__(self, s):
        self.file = s.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def next(self):
        for line in self.file:
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        return None


def answer(s):
    got = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        got += part
    s.close()
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head.decode(), body


# ---- a trace that is complete ----
server = Server("trace.evt")
slow = server.connect()  # its head never ends; looked at below
slow.sendall(b"GET / HTTP/1.1\r\nHost: ")

status, head, body = server.ask()
check("the page", status, 200)
for line in ("Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "X-Frame-Options: DENY",
             "Cross-Origin-Resource-Policy: same-origin", "Cross-Origin-Opener-Policy: same-origin", f"Content-Length: {len(body)}"):
    check(line, line in head)
policy = re.search("Content-Security-Policy: (.*)", head)[1]
check("policy", policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy)
check("no data without the token", b"r.request" in body or server.token.encode() in body, False)
if len(body) > 102400:
    bad.append(f"script, style and shell: {len(body)} bytes, more than 100 KiB")
for word in (b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"document.write", b"eval(", b"XMLHttpRequest", b"WebSocket", b"import("):
    check(word, word in body, False)

for path in ("/data", "/updates"):
    for token in (None, "0" * 32, server.token[:-1], server.token + "0", server.token[:-1] + ("0" if server.token[-1] != "0" else "1"), ""):
        status, head, body = server.ask(path, token=token)
        check(f"{path} with {token}", (status, body), (401, b"Unauthorized"))
    check(f"{path} in the query", server.ask(path + "?token=" + server.token)[0], 401)
    check(f"{path} in a cookie", server.ask(path, fields=f"Cookie: token={server.token}\r\n")[0], 401)
    for host in ("example.org", f"example.org:{server.port}", "127.0.0.1.example.org", "8.8.8.8", "[2001:db8::1]", "127.0.0.1@example.org", "localhost.", "[", "]", ":1", "127.0.0.1:x", "127.0.0.1:123456"):
        check(f"{path} of {host}", server.ask(path, host=host, token=server.token)[0], 403)
    for fields in ("Origin: null\r\n", "Origin: http://example.org\r\n", f"Origin: http://127.0.0.1:{server.port + 1}\r\n", f"Origin: https://127.0.0.1:{server.port}\r\n",
                   "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"):
        check(f"{path} from {fields.strip()}", server.ask(path, token=server.token, fields=fields)[0], 403)
for host in ("localhost", "LOCALHOST:1", f"localhost:{server.port}", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8000"):
    check(f"host {host}", server.ask(host=host)[0], 200)
own = f"Origin: http://127.0.0.1:{server.port}\r\nSec-Fetch-Site: same-origin\r\n"
check("our own page", server.ask("/data", token=server.token, fields=own)[0], 200)

for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"):
    status, head, _ = server.ask(method=method)
    check(method, (status, "Allow: GET, HEAD" in head), (405, True))
status, head, body = server.ask(method="HEAD")
check("HEAD", (status, body, "Content-Length: " in head), (200, b"", True))
for path, wanted in (("/favicon.ico", 204), ("/nothing", 404), ("/../../etc/passwd", 404), ("//", 404), ("/data/", 404), ("/%2e%2e/etc/passwd", 404), ("/?a=b&c", 200), ("/?", 200), ("http://127.0.0.1/", 400), ("*", 400), ("/ x", 400)):
    check(path, server.ask(path)[0], wanted)
host = f"Host: 127.0.0.1:{server.port}\r\n"
for text, wanted in ((f"GET / HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello", 413), (f"POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
                     (f"GET / HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n", 200), ("GET / HTTP/1.1\r\n\r\n", 400), (f"GET / HTTP/1.1\r\n{host}{host}\r\n", 400), (f"GET / HTTP/2.0\r\n{host}\r\n", 505),
                     (f"GET / HTTP/1.0\r\n{host}\r\n", 200), ("\r\n\r\n", 400), (f"GET  / HTTP/1.1\r\n{host}\r\n", 400), (f"GET /\r\n{host}\r\n", 400), (f"GET / HTTP/1.1\r\n{host} folded: x\r\n\r\n", 400), (f"GET / HTTP/1.1\r\n{host}x\x00y: z\r\n\r\n", 400),
                     (f"GET / HTTP/1.1\r\n{host}a\nb: c\r\n\r\n", 400), (f"GET / HTTP/1.1\r\n{host}no colon\r\n\r\n", 400), (f"GET / HTTP/1.1\r\n{host}sp ace: x\r\n\r\n", 400), ("\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
                     (f"GET /{'a' * 2000} HTTP/1.1\r\n{host}\r\n", 414), (f"GET / HTTP/1.1\r\n{host}" + "a: b\r\n" * 64 + "\r\n", 431), (f"GET / HTTP/1.1\r\n{host}a: {'b' * 100000}\r\n\r\n", 431), ("A" * 8192, 431)):
    check(text[:60], server.raw(text)[0], wanted)

# When all is read the figures are those of stat.
stream = server.stream()
while not (told := stream.next())["done"]:
    pass
number, model = server.data()
lines = [json.loads(line) for line in open("stat.jsonl")]
total = next(one for one in lines if one["what"] == "total")
check("totals", (model["events"], model["bytes"], model["lost_events"]), (total["events"], total["bytes"], total["lost"]))
for one in (one for one in lines if one["what"] == "event"):
    row = next(row for row in model["rows"] if (row["name"], row["kind"]) == (one["name"], one["kind"]))
    check(one["name"], (row["count"], row["bytes"]), (one["count"], one["bytes"]))
for one in (one for one in lines if one["what"] == "span"):
    span = next(row["span"] for row in model["rows"] if row["name"] == one["name"] and "span" in row)
    for key in ("min", "p50", "p90", "p99", "p999", "max"):
        check(f"{one['name']} {key}", span.get(key), one.get(key + "_ns"))
check("the end is told", told, {"number": number, "events": total["events"], "lost": total["lost"], "length": model["length"], "done": True})

taken = subprocess.run([EVTRAIL, "web", "--port", str(server.port), "trace.evt"], capture_output=True, text=True)
check("a port that is taken", (taken.returncode, f"port {server.port} of 127.0.0.1 is taken" in taken.stderr), (6, True))

# More connections than there is room for, which say nothing: who speaks is heard.
idle = [server.connect() for _ in range(150)]
check("among idle connections", server.ask()[0], 200)
for s in idle:
    s.close()
# As many as there is room for, which ask for the page and do not read it: neither do they hold up who has the token.
full = [server.connect(receive=1, segment=536) for _ in range(64)]
for s in full:
    s.sendall(server.head().encode())
    try:
        s.recv(1, socket.MSG_PEEK)  # it is being answered
    except ConnectionResetError:
        pass
for _ in range(3):
    check("among those that do not read the page", server.ask("/data", token=server.token)[0], 200)
for s in full:
    s.close()
slow.setblocking(True)
slow.settimeout(BOUND)
check("one that is slow", answer(slow)[0] in (0, 408))  # in time, or thrown out by the 150
waiting = server.connect()
waiting.sendall(b"GET / HTTP/1.1\r\n")
check("one whose request never ends", answer(waiting)[0], 408)
server.end(signal.SIGINT)

# ---- a process that runs ----
subject = started(SUBJECT, "2000", "2", "steady")
server = Server("--interval", "50ms", "--enable", "*", "--wait", "-p", str(subject.pid))
streams = [server.stream() for _ in range(36)]
check("streams", sorted(one.status for one in streams), [200] * 32 + [503] * 4)
streams = [one for one in streams if one.status == 200]
deaf = []
for _ in range(8):  # ask for all of it, and do not read
    s = server.connect(receive=2048)
    s.sendall(server.head("/data", token=server.token).encode())
    deaf.append(s)
first = streams[0].next()
last, seen = 0, 0
for _ in range(8):
    number, model = server.data(last)
    check("newer", number > last and model["events"] >= seen)
    last, seen = number, model["events"]
while (told := streams[0].next())["events"] <= max(first["events"], seen):
    pass  # read on while nobody takes what is sent
check("every stream moves", all(one.next() for one in streams))
if not os.environ.get("SANITIZED") and server.memory_kib() > 150000:
    bad.append(f"{server.memory_kib()} KiB of memory")
subject.send_signal(signal.SIGTERM)
subject.wait(BOUND)
while not (told := streams[1].next())["done"]:
    pass
number, model = server.data()
check("the last figures", (number, model["events"]), (told["number"], told["events"]))
server.end(signal.SIGTERM)
check("streams end", streams[0].file.read()[-1:] in (b"\n", b""))

print("\n".join(bad[:30]), file=sys.stderr)
sys.exit(bool(bad))
