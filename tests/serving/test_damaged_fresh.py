"""A server whose fresh values are damaged starts, answers by the contract's default, and says how it is mended."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from late_project import CONTRACT, ROW, build, promote
from running import Running, running

from outlast.bundle.predictor import open_predictor
from outlast.cli.health import examine
from outlast.errors import Refused, StorageError
from outlast.gates.promote import fill_fresh
from outlast.gates.refill import refill
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.house import House
from outlast.serving.server import local
from outlast.types import ModelRef, now


@dataclass
class Here:
    """A server that answers from this process."""

    address: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60)


DEFAULT = '\n[serving]\ndefaults = { decision = "no" }\n'
AT = {"decide_at": "2013-06-28T12:00:00Z"}


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live version with a default, its fresh values filled."""
    folder = tmp_path_factory.mktemp("whole") / "late"
    workspace = build(folder, versions=1, contract=CONTRACT + DEFAULT)
    fill_fresh(workspace, find(workspace.ledger, ModelRef("late", 1)), now=now())
    promote(workspace, 1)
    workspace.fresh.close()
    workspace.ledger.dispose()
    return folder


@pytest.fixture
def folder(complete: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(complete, tmp_path / "late"))


def damage(folder: Path, *, whole: bool) -> Path:
    """Nothing of the file is left, or all but its first page: then it opens, and cannot be read."""
    path = folder / ".outlast" / "fresh.db"
    data = path.read_bytes()
    assert len(data) > 3 * 4096
    path.write_bytes(b"?" * len(data) if whole else data[:4096] + b"\xff" * (len(data) - 4096))
    return path


@contextmanager
def here(folder: Path) -> Iterator[Here]:
    """Its server in this process."""
    workspace = Workspace.find(folder)
    with local(workspace) as address:
        yield Here(address)
    workspace.fresh.close()
    workspace.ledger.dispose()


def ask(server: Running | Here) -> dict[str, object]:
    with server.client() as client:
        answer = client.post("/predict/late", json={**ROW, **AT})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def ready(server: Running | Here) -> httpx.Response:
    with server.client() as client:
        return client.get("/readyz")


def fresh_line(folder: Path) -> dict[str, object]:
    return next(one for one in examine(start=folder) if one["what"] == "fresh values")


@pytest.mark.parametrize("whole", [True, False], ids=["no database", "unreadable pages"])
def test_it_starts_answers_by_default_and_is_mended_by_doctor(folder: Path, whole: bool) -> None:
    with here(folder) as server:
        before = ask(server)
        assert (before["rung"], ready(server).json()["fresh"]) == ("full", "ok")
    path = damage(folder, whole=whole)
    with running(folder) as server:
        found = ask(server)
        assert (found["rung"], found["decision"]) == ("default", "no")
        assert "fresh values cannot be read" in str(found["reasons"])
        assert str(path) in str(found["reasons"])
        said = ready(server)
        assert (said.status_code, said.json()["status"], said.json()["models"]) == (200, "ready", {"late": 1})
        assert "`outlast doctor --refill`" in said.json()["fresh"]
        line = fresh_line(folder)
        assert not line["ok"]
        assert "outlast doctor --refill" in str(line["says"])
        with pytest.raises(Refused, match=r"still in use by .*: stop what serves"):
            refill(Workspace.find(folder), now=now())
    log = "".join(file.read_text() for file in folder.glob("server-*.err"))
    assert "answers its own example by its default: fresh values cannot be read" in log
    mended = next(one for one in examine(refill=True, start=folder) if one["what"] == "fresh values")
    assert mended["ok"], mended
    assert "facts of landings" in str(mended["says"])
    assert list(path.parent.glob("fresh.db.damaged-*"))
    with here(folder) as server:
        assert {**ask(server), "prediction_id": ""} == {**before, "prediction_id": ""}
        assert ready(server).json()["fresh"] == "ok"


def test_damage_under_a_running_server_shows_in_readyz(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace.find(folder)
    house = House(workspace, open_predictor, server="s1")
    house.look()
    assert (house.unread, house.refused, list(house.predictors())) == (None, {}, ["late"])

    def broken() -> list[str]:
        raise StorageError("the disk is gone")

    with caplog.at_level(logging.WARNING), monkeypatch.context() as patch:
        patch.setattr(workspace.fresh, "digests", broken)
        house.look()
        house.look()
        assert house.unread == "the disk is gone"
    house.look()
    assert house.unread is None
    assert [record.getMessage() for record in caplog.records] == [
        "Fresh values cannot be read, what needs them answers by a lower rung: the disk is gone",
        "Fresh values can be read again",
    ]
    house.close()
    workspace.fresh.close()
    workspace.ledger.dispose()


def test_refilling_what_is_whole_changes_nothing(folder: Path) -> None:
    workspace = Workspace.find(folder)
    fresh = workspace.fresh
    before = {digest: fresh.count(digest) for digest in fresh.digests()}
    filled, aside = refill(workspace, now=now())
    assert (set(filled), aside) == ({"weather", "landings"}, None)
    assert {digest: fresh.count(digest) for digest in fresh.digests()} == before
    fresh.close()
    workspace.ledger.dispose()


def test_a_lost_file_is_filled_again(folder: Path) -> None:
    (folder / ".outlast" / "fresh.db").unlink()
    assert not fresh_line(folder)["ok"]
    workspace = Workspace.find(folder)
    refill(workspace, now=now())
    assert fresh_line(folder)["ok"]
    workspace.fresh.close()
    workspace.ledger.dispose()
