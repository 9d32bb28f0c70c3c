"""A real webhook on a port of this machine that can be down, refuse, or take what it is sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Webhook:
    """Its port is taken from the start, so an address exists before anybody answers there."""

    def __init__(self, status: int = 200) -> None:
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.asked = 0
        self.status = status
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked += 1
                if hook.status < 300:
                    hook.taken.append(json.loads(body))
                    hook.keys.append(self.headers["Idempotency-Key"])
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/secret-path"
        self._thread: threading.Thread | None = None

    def up(self) -> None:
        """Begin to answer; until then connections are refused."""
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
