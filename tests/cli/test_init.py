"""`outlast init`: a whole project or none, and the one it makes passes its own tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from outlast.project.contract import read_contract
from outlast.project.shop import shop

FILES = {
    ".github/workflows/outlast.yml",
    ".gitignore",
    "README.md",
    "RUNBOOK.md",
    "data/backlog.csv",
    "data/deliveries.csv",
    "data/orders.csv",
    "model.py",
    "outlast.toml",
    "tests/test_model.py",
}


def test_the_files_it_makes_bear_the_name(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("init", "churn", "--json")
    assert done.code == 0
    assert set(done.json["files"]) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["churn"]
    assert {str(p.relative_to(tmp_path / "churn")) for p in (tmp_path / "churn").rglob("*") if p.is_file()} == FILES
    for file in ("model.py", "README.md", "RUNBOOK.md"):
        text = (tmp_path / "churn" / file).read_text()
        assert "churn" in text
        assert "my-model" not in text
    assert "VERSION" not in (tmp_path / "churn" / ".github/workflows/outlast.yml").read_text()


def test_it_tells_what_to_do_next(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init", "churn").out.splitlines()[-1] == "Next: cd churn && outlast train"


@pytest.mark.parametrize("name", ["../churn", "a b", "", ".hidden", "-x/", "a@b", "ü", "x" * 101])
def test_a_bad_name_is_refused_in_a_sentence(run, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("init", "--", name)
    assert done.code == 1
    assert "cannot be the name of a model" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "mine").write_text("x")
    done = run("init", "churn")
    assert done.code == 3
    assert "exists already and is not empty" in done.err
    assert [path.name for path in (tmp_path / "churn").iterdir()] == ["mine"]


def test_an_empty_folder_is_filled(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn").mkdir()
    assert run("init", "churn").code == 0
    assert (tmp_path / "churn" / "model.py").exists()


def test_its_contract_is_complete_and_its_model_is_short(bare: Path) -> None:
    contract = read_contract(bare)
    silent = [name for name, section in contract if name != "data" and not section.model_fields_set]
    assert silent == []
    assert len((bare / "model.py").read_text().splitlines()) <= 50


def test_its_own_tests_pass(bare: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_its_data_are_the_same_on_every_machine() -> None:
    from outlast.types import digest_of

    assert shop() == shop()
    assert digest_of(shop()) == "49404dad2efb98ed79e19288f99b4b9e9e4e2e8ecf27d23ca7fb9d7bde3dcac7"
    assert shop(8) != shop()
