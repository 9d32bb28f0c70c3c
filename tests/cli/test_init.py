"""`outlast init`: a whole project or none, and the one it makes passes its own tests."""

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from outlast.project import template
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
    "examples.py",
    "model.py",
    "outlast.toml",
    "requirements.txt",
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
    assert f"\noutlast=={version('outlast')}\n" in (tmp_path / "churn" / "requirements.txt").read_text()


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
    of_others = {"data", "scoring"}  # sources have rules by need, and a model that is asked scores no table
    silent = [name for name, section in contract if name not in of_others and not section.model_fields_set]
    assert silent == []
    assert len((bare / "model.py").read_text().splitlines()) <= 50


def steps_of(folder: Path) -> tuple[dict[str, str], list[str]]:
    """What its workflow runs after the installation, and the environment it does that in."""
    job = yaml.safe_load((folder / ".github/workflows/outlast.yml").read_text())["jobs"]["model"]
    install, *steps = [step["run"] for step in job["steps"] if "run" in step]
    assert install == "pip install -r requirements.txt"
    require_installed(folder / "requirements.txt")
    return {**job["env"], "OUTLAST_ACTOR": "ada"}, steps


def by_bash(step: str) -> str:
    command = re.sub(r"\$\{\{ github\.\w+ \}\}", "abc", step)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_workflow_runs_from_the_first_step_to_the_gate(run, bare: Path, monkeypatch) -> None:
    """Its own tests in a process of their own; what outlast does in this one, by the gate's quick form."""
    environment, steps = steps_of(bare)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = ""
    for step in steps:
        program, *words = shlex.split(step)
        if program != "outlast":
            said += by_bash(step)
            continue
        done = run(*words)
        assert done.code == 0, done
        said += done.out
    assert "6 passed" in said
    assert "late-orders@1 may go live: 10 of 10 checks passed" in said


@pytest.mark.slow
def test_its_workflow_runs_as_a_machine_runs_it_through_the_whole_gate(bare: Path, monkeypatch) -> None:
    environment, steps = steps_of(bare)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = "".join(by_bash(step) for step in steps)
    assert "6 passed" in said
    assert "late-orders@1 may go live: 12 of 12 checks passed" in said


def require_installed(file: Path) -> None:
    """The present environment is what the file asks for."""
    asked = [line for line in file.read_text().splitlines() if line and not line.startswith(("#", "-"))]
    assert {Requirement(line).name for line in asked} == {"outlast", "pytest"}
    for line in asked:
        assert version(Requirement(line).name) in Requirement(line).specifier


def test_an_outlast_from_a_repository_is_required_from_there(run, tmp_path: Path, monkeypatch) -> None:
    origin = {"url": "https://example.com/outlast.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}
    monkeypatch.setattr(template, "distribution", lambda name: Recorded(origin))
    monkeypatch.chdir(tmp_path)
    assert run("init", "churn").code == 0
    text = (tmp_path / "churn" / "requirements.txt").read_text()
    assert "\noutlast @ git+https://example.com/outlast.git@abc123\n" in text


class Recorded:
    """What pip notes of where a distribution came from."""

    def __init__(self, origin: dict[str, object]) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        return json.dumps(self._origin) if name == "direct_url.json" else None


def test_what_its_readme_asks_is_answered_without_a_warning(run, folder: Path) -> None:
    asked = re.search(r"-d '(\{.*?\})'", (folder / "README.md").read_text(), re.DOTALL)
    assert asked is not None
    (answer,) = run("predict", "--row", asked[1], "--json").json
    assert (answer["rung"], answer["warnings"]) == ("full", [])


def test_its_data_are_the_same_on_every_machine() -> None:
    from outlast.types import digest_of

    assert shop() == shop()
    assert digest_of(shop()) == "49404dad2efb98ed79e19288f99b4b9e9e4e2e8ecf27d23ca7fb9d7bde3dcac7"
    assert shop(8) != shop()
