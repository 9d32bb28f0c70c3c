"""Starting and stopping."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from late_project import ROW, promote
from running import running

from outlast.errors import OutlastError, Refused, StorageError
from outlast.project.workspace import Workspace
from outlast.registry.tokens import Wanted, create, revoke
from outlast.serving.server import listening, serve
from outlast.types import now


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", ""])
def test_other_machines_are_not_let_in_without_tokens(tmp_path: Path, host: str) -> None:
    place = Workspace(tmp_path)
    for _ in range(2):
        with pytest.raises(Refused, match="nobody holds a token"):
            serve(place, host, 0)
        token, _ = create(place.ledger, Wanted.of("ana", ["view"], at=now()), by="ada", at=now())
        revoke(place.ledger, token.id, by="ada", at=now())


def test_a_name_that_is_not_this_machines_is_refused_whether_it_is_known_here_or_not(tmp_path: Path) -> None:
    with pytest.raises(OutlastError, match=r"nobody holds a token|There is no address 'example.com' here"):
        serve(Workspace(tmp_path), "example.com", 0)


def test_with_a_token_an_address_for_other_machines_is_taken(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    create(place.ledger, Wanted.of("ana", ["predict"], at=now()), by="ada", at=now())
    nobodys = "203.0.113.7"  # an address for documentation: it is let through, and this machine does not have it
    with pytest.raises(StorageError, match=f"Could not listen on {nobodys}"):
        serve(place, nobodys, 0)


def test_with_a_token_any_name_of_the_server_will_do(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    _, secret = create(workspace.ledger, Wanted.of("ana", ["predict"], at=now()), by="ada", at=now())
    with running(folder) as server, server.client() as client:
        assert client.post("/predict/late", json=ROW).status_code == 401
        headers = {"authorization": f"Bearer {secret}", "host": "models.example"}
        assert client.post("/predict/late", json=ROW, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_this_machine_is(host: str) -> None:
    with listening(host, 0) as bound:
        assert bound.getsockname()[0].startswith("127.")


def test_a_port_in_use_is_named() -> None:
    with listening("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(StorageError, match=f"Could not listen on 127.0.0.1:{port}"), listening("127.0.0.1", port):
            pass


def test_an_impossible_port_is_refused() -> None:
    with pytest.raises(StorageError, match="70000"), listening("127.0.0.1", 70000):
        pass


def test_a_stop_lets_requests_under_way_finish(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    statuses: list[int] = []
    with running(folder) as server:
        begun = threading.Event()

        def body() -> Iterator[bytes]:
            yield b'{"rows": ['
            begun.set()
            for n in range(200):
                yield b"," * (n > 0) + json.dumps(ROW).encode()
            yield b"]}"

        def ask() -> None:
            with server.client() as client:
                headers = {"content-type": "application/json"}
                statuses.append(client.post("/predict/late", content=body(), headers=headers).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        begun.wait(30)
        assert server.stop() == 0
        asking.join()
    assert statuses == [200]
    assert list((workspace.home / "servers").glob("*")) == []
