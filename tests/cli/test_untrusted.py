"""What only looks at a version executes nothing of its bundle."""

import pickle
from pathlib import Path

import pytest
import sqlalchemy as sa

from outlast.bundle.format import pack
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.versions import find, register
from outlast.storage.ledger import schema
from outlast.types import ModelRef, now


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> object:
        return Path.touch, (self.file,)


@pytest.fixture
def trap(folder: Path, tmp_path: Path) -> Path:
    """A second version whose model and code write a file when anything of them is executed."""
    file, place = tmp_path / "sprung", Workspace.find(folder)
    version = find(place.ledger, ModelRef("late-orders", 1))
    bundle = open_bundle(place, version.digest)
    spring = f"open({str(file)!r}, 'w').close()\n".encode()
    files = {name: spring + content if name.startswith("code/") else content for name, content in bundle.files.items()}
    files["model/native.pkl"] = pickle.dumps(Trap(file))
    files = {name: content for name, content in files.items() if not name.startswith("model/compiled")}
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("files", "format")}
    digest = place.artifacts.put(pack(manifest, files))
    given = {"summary": version.summary, "lineage": version.lineage, "by": "mallory", "at": now()}
    register(place.ledger, "late-orders", digest=digest, code_digest=None, task=version.task, **given)
    place.ledger.dispose()
    assert not file.exists()
    return file


@pytest.mark.parametrize(
    "words",
    [
        ("show", "late-orders@2"),
        ("why", "late-orders@2"),
        ("versions",),
        ("history",),
        ("audit", "verify"),
        ("audit", "log"),
        ("doctor",),
        ("reject", "late-orders@2", "-m", "strange"),
    ],
)
def test_looking_at_a_version_executes_nothing_of_it(run, trap: Path, words: tuple[str, ...]) -> None:
    assert run(*words).code == 0
    assert not trap.exists()


def test_the_trap_works_and_a_server_refuses_it_before_it_springs(run, folder: Path, trap: Path) -> None:
    """Somebody who may write the database points the live version at other bytes."""
    from outlast.bundle.predictor import open_predictor
    from outlast.serving.house import House

    place = Workspace.find(folder)
    evil = find(place.ledger, ModelRef("late-orders", 2)).digest
    versions = schema.versions
    with place.ledger.write() as connection:
        connection.execute(sa.update(versions).where(versions.c.number == 2).values(digest="f" * 64))
        connection.execute(sa.update(versions).where(versions.c.number == 1).values(digest=evil))
    house = House(place, open_predictor, server="s1")
    house.look()
    assert house.predictors() == {}
    assert "were let out: somebody edited it" in house.refused["late-orders"]
    assert not trap.exists()
    open_predictor(place, evil, 1)
    assert trap.exists()
    place.ledger.dispose()
