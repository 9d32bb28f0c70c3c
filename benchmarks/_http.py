"""Servers in processes of their own, and one kept connection to them that costs next to nothing."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Connection:
    """One connection, kept open: a request is one write, an answer is read to its announced length.

    It does no more than that, and the same for every server, so that what is timed is the server.
    """

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()

    def request(self, body: Any) -> bytes:
        """The bytes to send for a body."""
        data = json.dumps(body).encode()
        return self._head + b"Content-Length: %d\r\n\r\n" % len(data) + data

    def send(self, request: bytes) -> tuple[int, bytes]:
        """The status and body of the answer; ConnectionError when the server goes away before it is whole."""
        self._socket.sendall(request)
        data = self._more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        at = head.index(b"\r\ncontent-length:") + 17
        length = int(head[at:].split(b"\r\n", 1)[0])
        while len(data) < end + 4 + length:
            data += self._more()
        return int(data[9:12]), data[end + 4 :]

    def ask(self, body: Any) -> Any:
        """The answer to a body; SystemExit when it is refused."""
        status, answer = self.send(self.request(body))
        if status != 200:
            raise SystemExit(f"The server answered {status}: {answer.decode()}")
        return json.loads(answer)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _more(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionResetError("the server closed the connection")
        return part


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def server(
    command: Sequence[str], port: int, *, folder: Path, environment: Mapping[str, str], ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers `ready` with 200, in a process group of its own that is stopped at the end."""
    with (folder / f"server-{port}-{time.monotonic_ns()}.log").open("w+b") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, port, ready)
            yield process
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], port: int, ready: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    question = f"GET {ready} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
                asking.sendall(question)
                if b" 200 " in asking.recv(64):
                    return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.05)
    raise SystemExit(f"{' '.join(map(str, process.args))} did not answer within {seconds:.0f} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
