"""A small bucket: takes, gives and deletes objects of whoever signs as AWS demands (SigV4)."""

import hashlib
import hmac
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from xml.sax.saxutils import unescape

ACCESS, SECRET = "only-for-tests", "not a secret/+="


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.log: list[tuple[str, str]] = []
        self.is_away = False


@contextmanager
def bucket():
    """The bucket and its address."""
    held = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, told = self.judge(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_PUT = do_POST = answer

        def judge(self, body: bytes) -> tuple[int, bytes]:
            if held.is_away:
                return 503, b""
            if not self.is_signed(body):
                return 403, b""
            held.log.append((self.command, self.path))
            match self.command:
                case "PUT":
                    held.objects[self.path] = (body, self.headers["Content-Type"])
                    return 200, b""
                case "POST":
                    keys = re.findall("<Key>.*?</Key>", body.decode())
                    for key in keys:
                        path = f"{self.path.removesuffix('?delete')}/{unescape(key[5:-6])}"
                        held.objects.pop(path, None)
                    deleted = "".join(f"<Deleted>{key}</Deleted>" for key in keys)
                    return 200, f"<DeleteResult>{deleted}</DeleteResult>".encode()
            if self.path not in held.objects:
                return 404, b""
            return 200, held.objects[self.path][0]

        def is_signed(self, body: bytes) -> bool:
            scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
            parts = dict(one.strip().split("=", 1) for one in rest.split(","))
            names = parts["SignedHeaders"].split(";")
            digest = hashlib.sha256(body).hexdigest()
            path, _, query = self.path.partition("?")
            lines = [self.command, path, f"{query}=" if query else ""]
            lines += [f"{name}:{self.headers[name]}" for name in names]
            lines += ["", ";".join(names), self.headers["x-amz-content-sha256"]]
            access, day, region, service, end = parts["Credential"].split("/")
            scope = f"{day}/{region}/{service}/{end}"
            text = (
                f"{scheme}\n{self.headers['x-amz-date']}\n{scope}\n"
                + hashlib.sha256("\n".join(lines).encode()).hexdigest()
            )
            key = b"AWS4" + SECRET.encode()
            for part in (day, region, service, end):
                key = hmac.digest(key, part.encode(), "sha256")
            right = hmac.digest(key, text.encode(), "sha256").hex()
            return (
                scheme == "AWS4-HMAC-SHA256"
                and access == ACCESS
                and {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)
                and self.headers["x-amz-content-sha256"] == digest
                and hmac.compare_digest(right, parts["Signature"])
            )

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
