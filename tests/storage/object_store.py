"""A small object store that speaks enough of S3, over real HTTP: prints its port, then serves until it is killed.

A process of its own, because some calls of deltalake hold the interpreter while they wait for an answer.
"""

import threading
import urllib.parse
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

OBJECTS: dict[str, bytes] = {}
PARTS: dict[str, dict[int, bytes]] = {}
SIGNERS: set[str] = set()
LOCK = threading.Lock()
EMPTY = b""


class Handler(BaseHTTPRequestHandler):
    """Path-style requests: /bucket/key."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for each other

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _ask(self) -> tuple[str, dict[str, list[str]]]:
        signature = self.headers.get("Authorization", "")
        if signature:
            SIGNERS.add(signature.partition("Credential=")[2].partition("/")[0])
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        return urllib.parse.unquote(parts.path).lstrip("/").partition("/")[2], query

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes = EMPTY, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        key, query = self._ask()
        if self.path == "/signers":
            self._answer(200, " ".join(sorted(SIGNERS)).encode())
            return
        if "list-type" in query:
            self._list(*(query.get(word, [""])[0] for word in ("prefix", "delimiter", "start-after")))
            return
        data = OBJECTS.get(key)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        about = {"ETag": f'"{md5(data).hexdigest()}"', "Last_Modified": formatdate(0, usegmt=True)}
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, data, **about, **({"Content_Length": str(len(data))} if self.command == "HEAD" else {}))
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(data) - int(last)
        end = min(int(last) + 1, len(data)) if first and last else len(data)
        self._answer(206, data[start:end], Content_Range=f"bytes {start}-{end - 1}/{len(data)}", **about)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        key, query = self._ask()
        data = self._body()
        with LOCK:
            if "uploadId" in query:
                PARTS.setdefault(key, {})[int(query["partNumber"][0])] = data
                self._answer(200, ETag=f'"{md5(data).hexdigest()}"')
                return
            if self.headers.get("If-None-Match") == "*" and key in OBJECTS:
                self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            OBJECTS[key] = data
        self._answer(200, ETag=f'"{md5(data).hexdigest()}"')

    def do_DELETE(self) -> None:
        key, _ = self._ask()
        OBJECTS.pop(key, None)
        self._answer(204)

    def do_POST(self) -> None:
        key, query = self._ask()
        if "uploads" in query:
            self._answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            return
        if "uploadId" in query:
            self._body()
            with LOCK:
                parts = PARTS.pop(key)
                OBJECTS[key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
            return
        assert "delete" in query, self.path
        keys = [part.partition("</Key>")[0] for part in self._body().decode().split("<Key>")[1:]]
        for key in keys:
            OBJECTS.pop(key, None)
        gone = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def _list(self, prefix: str, delimiter: str, after: str) -> None:
        keys = sorted(key for key in OBJECTS if key.startswith(prefix) and key > after)
        folders = {
            prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter
            for key in keys
            if delimiter and delimiter in key[len(prefix) :]
        }
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(OBJECTS[key])}</Size></Contents>"
            for key in keys
            if not any(key.startswith(folder) for folder in folders)
        )
        prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{prefixes}</ListBucketResult>"
        self._answer(200, body.encode())


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
