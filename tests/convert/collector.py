# SPDX-License-Identifier: ISC
"""A collector of OTLP/HTTP: collector.py DIRECTORY MODE keeps each body as DIRECTORY/N.PATH, writes its port to DIRECTORY/port and obeys MODE:
ok; busy (each request is answered 503 or 429 once, with Retry-After: 0); partial (logs: 3 were rejected); refuse (spans: 400); down (503
always); hang-up (each second request: the connection is closed); close (after each answer); chunked."""
import gzip
import http.server
import os
import sys

directory, mode = sys.argv[1], sys.argv[2]
count = tries = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if mode == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        if mode == "close":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        global count, tries
        assert self.headers["Content-Type"] == "application/x-protobuf", self.headers
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
            open(f"{directory}/gzip", "a").close()
        tries += 1
        with open(f"{directory}/tries", "w") as file:
            file.write(str(tries))
        if mode == "down":
            return self.answer(503, headers=[("Retry-After", "0")])
        if mode == "busy" and tries % 2:
            return self.answer(503 if tries % 4 == 1 else 429, headers=[("Retry-After", "0")])
        if mode == "hang-up" and tries % 2:
            self.close_connection = True
            return None
        if mode == "refuse" and self.path == "/v1/traces":
            return self.answer(400, b"no")
        with open(f"{directory}/{count}{self.path.replace('/', '.')}", "wb") as file:
            file.write(body)
        count += 1
        # partial_success = 1 { rejected = 1: 3, error_message = 2: "too old" }
        self.answer(200, b"\x0a\x0b\x08\x03\x12\x07too old" if mode in ("partial", "chunked") and self.path == "/v1/logs" else b"")


os.makedirs(directory)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(f"{directory}/port.new", "w") as file:
    file.write(str(server.server_port))
os.rename(f"{directory}/port.new", f"{directory}/port")
server.serve_forever()
