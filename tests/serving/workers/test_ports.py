"""Addresses that one process has, or several."""

import socket

import pytest

from outlast.errors import StorageError
from outlast.serving.workers.ports import listening, reserved, sharing


def test_workers_share_what_is_kept_for_them() -> None:
    with reserved("127.0.0.1", 0) as port, sharing("127.0.0.1", port) as one, sharing("127.0.0.1", port) as two:
        assert one.getsockname() == two.getsockname() == ("127.0.0.1", port)


def test_nothing_is_taken_before_a_worker_listens() -> None:
    with reserved("127.0.0.1", 0) as port, sharing("127.0.0.1", port) as bound:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        bound.listen()
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_port_that_others_listen_on_is_not_kept() -> None:
    with listening("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(StorageError, match=f"Could not listen on 127.0.0.1:{port}"), reserved("127.0.0.1", port):
            pass


def test_nor_one_that_others_share() -> None:
    with reserved("127.0.0.1", 0) as port, sharing("127.0.0.1", port) as bound:
        bound.listen()
        with pytest.raises(StorageError, match=f"Could not listen on 127.0.0.1:{port}"), reserved("127.0.0.1", port):
            pass
