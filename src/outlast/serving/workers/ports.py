"""Addresses of this machine: one process's alone, or several processes'."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from outlast.errors import StorageError

BACKLOG = 2048


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on an address of this machine."""
    with _bound(host, port) as bound:
        yield bound


@contextmanager
def sharing(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on an address that other processes have sockets on; it takes nothing before it listens."""
    with _bound(host, port, shared=True, listens=False) as bound:
        yield bound


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """A port for workers to share, kept for them while none of them listens; StorageError where another has it."""
    if port:
        with _bound(host, port):
            pass  # who shares a port is not refused one that others share
    with _bound(host, port, shared=True, listens=False) as bound:
        yield bound.getsockname()[1]


@contextmanager
def _bound(host: str, port: int, *, shared: bool = False, listens: bool = True) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            bound.bind((host, port))
            if listens:
                bound.listen(BACKLOG)
        except (OSError, OverflowError, UnicodeError) as error:
            raise StorageError(
                f"Could not listen on {host}:{port}: {error}; stop what uses it, or choose another port"
            ) from error
        yield bound
