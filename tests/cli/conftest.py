"""A project as `outlast init` makes it, trained and promoted once; tests work on copies."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from outlast.cli import main


class Done(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


def call(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> Done:
    """One command in this process."""
    capsys.readouterr()
    try:
        main(words)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return Done(code, out, err)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `outlast WORDS` in the current folder."""
    return lambda *words: call(capsys, words)


@pytest.fixture
def run_there(run: Run) -> Callable[[Path], Run]:
    """Run commands in a server's own folder, from a test that is on another machine."""

    def of(folder: Path) -> Run:
        def command(*words: str) -> Done:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                for name in ("OUTLAST_LEDGER", "OUTLAST_SERVER"):
                    patch.delenv(name)
                return run(*words)

        return command

    return of


@pytest.fixture(autouse=True)
def quiet_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """No MLflow, and nothing of this machine's environment."""
    for name in ("OUTLAST_ENV", "OUTLAST_LEDGER", "OUTLAST_TABLES", "OUTLAST_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    monkeypatch.setenv("OUTLAST_ACTOR", "ada")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new project with one version, live."""
    where = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        patch.setenv("OUTLAST_ACTOR", "ada")
        patch.chdir(where)
        main_in(where, "init", "late-orders")
        main_in(where / "late-orders", "train", "--quiet")
        main_in(where / "late-orders", "promote", "--quiet", "--reason", "the first")
    return where / "late-orders"


def main_in(folder: Path, *words: str) -> None:
    """A command that must succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code in (0, None), words


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh copy of it, and we are in it."""
    place = tmp_path / "late-orders"
    shutil.copytree(trained, place)
    monkeypatch.chdir(place)
    yield place
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def trained_twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new project with a second version, of another seed; the first is live."""
    place = tmp_path_factory.mktemp("twice") / "late-orders"
    shutil.copytree(trained, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        patch.setenv("OUTLAST_ACTOR", "ada")
        main_in(place, "train", "--seed", "2", "--quiet")
    return place


@pytest.fixture
def second(trained_twice: Path, folder: Path) -> None:
    """The fresh copy has that second version too."""
    shutil.copytree(trained_twice, folder, dirs_exist_ok=True)


@pytest.fixture
def bare(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project, never trained."""
    place = tmp_path / "late-orders"
    shutil.copytree(trained, place, ignore=shutil.ignore_patterns(".outlast", "__pycache__"))
    monkeypatch.chdir(place)
    return place
