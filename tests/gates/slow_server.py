"""A server for tests of loads: it answers, is slow, or refuses, one answer at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def answering(*statuses: int, seconds: float = 0.0, rung: str = "full") -> Iterator[str]:
    """A server that gives these statuses in turn, the last one from then on, one answer at a time."""
    alone, left = threading.Lock(), list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with alone:
                time.sleep(seconds)
                status = left.pop(0) if len(left) > 1 else left[0]
            body = b'{"rung":"%s"}' % rung.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
