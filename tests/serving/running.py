"""Servers in processes of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from outlast.project.workspace import Workspace


@dataclass
class Running:
    """A server that answers."""

    process: subprocess.Popen[str]
    address: str
    workspace: Workspace
    grpc: str = ""
    """Where it speaks gRPC."""
    log: Path | None = None

    @property
    def workers(self) -> list[int]:
        return children(self.process.pid)

    @property
    def said(self) -> str:
        assert self.log is not None
        return self.log.read_text()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextmanager
def running(folder: Path, port: int = 0, host: str = "127.0.0.1", *, grpc_port: int | None = None) -> Iterator[Running]:
    """The project's server in a process of its own, stopped at the end."""
    errors = folder / f"server-{time.monotonic_ns()}.err"
    command = [sys.executable, str(Path(__file__).parent / "late_project.py"), str(folder), str(port), host]
    command += [] if grpc_port is None else [str(grpc_port)]
    with (
        errors.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=dict(os.environ)) as process,
    ):
        assert process.stdout is not None
        address, _, grpc = process.stdout.readline().strip().partition(" and grpc://")
        assert address.startswith(f"http://{host}:"), errors.read_text()
        server = Running(process, address.replace(host, "127.0.0.1"), Workspace.find(folder), grpc)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def several(folder: Path, of: int = 2, *more: str, **environment: str) -> Iterator[Running]:
    """The project's server with so many workers, stopped at the end."""
    errors = folder / f"server-{time.monotonic_ns()}.err"
    command = [sys.executable, "-m", "outlast", "serve", "--port", "0", "--workers", str(of), *more]
    environ = {**os.environ, "MLFLOW_TRACKING_URI": "off", **environment}
    with (
        errors.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder, env=environ) as process,
    ):
        assert process.stdout is not None
        found = re.match(r"Answering at (http://\S+?)(?: and grpc://(\S+))? with", process.stdout.readline())
        assert found, errors.read_text()
        server = Running(process, found[1], Workspace.find(folder), found[2] or "", errors)
        try:
            yield server
        finally:
            server.stop()


def children(pid: int) -> list[int]:
    """The processes that one has started and that are there."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def eventually(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
