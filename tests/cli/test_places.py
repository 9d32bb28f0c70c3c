"""Which model a command means when none is named."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def several(folder: Path, tmp_path: Path, monkeypatch) -> Path:
    """A workspace of two trained models and one that is not, each in a folder of its own."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workspace.toml").write_text('name = "shop"\n')
    shutil.move(folder / ".outlast", root / ".outlast")
    for name in ("late-orders", "returns", "untrained"):
        shutil.copytree(folder, root / name)
        file = root / name / "model.py"
        file.write_text(file.read_text().replace('"late-orders"', f'"{name}"'))
    monkeypatch.chdir(root / "returns")
    return root


def test_inside_a_models_folder_that_model_is_meant(run, several: Path, monkeypatch) -> None:
    assert run("train", "--quiet").code == 0
    for place, name in (("returns/data", "returns"), ("late-orders", "late-orders")):
        monkeypatch.chdir(several / place)
        for command in ("show", "why", "history", "versions", "monitor", "predict"):
            found = run(command, *(["--example"] if command == "predict" else []), "--json").json
            one = found[0] if isinstance(found, list) else found
            assert (one.get("model") or one["version"]).partition("@")[0] == name, command


def test_an_untrained_models_folder_never_means_another_model(run, several: Path, monkeypatch) -> None:
    monkeypatch.chdir(several / "untrained")
    done = run("promote")
    assert (done.code, "was never trained" in done.err, "name one of late-orders" in done.err) == (4, True, True)


def test_above_the_folders_one_must_be_named(run, several: Path, monkeypatch) -> None:
    assert run("train", "--quiet").code == 0
    monkeypatch.chdir(several)
    done = run("show")
    assert (done.code, "There are 2 models here: name one of late-orders, returns" in done.err) == (4, True)


def test_a_renamed_folder_keeps_its_model(run, folder: Path, tmp_path: Path, monkeypatch) -> None:
    folder.rename(tmp_path / "renamed")
    monkeypatch.chdir(tmp_path / "renamed")
    assert run("show").out.startswith("late-orders@1 (live)")


def test_a_model_that_got_another_name_is_the_one_that_model_py_declares(run, folder: Path) -> None:
    file = folder / "model.py"
    file.write_text(file.read_text().replace('"late-orders"', '"later-orders"'))
    assert run("train", "--quiet").code == 0
    assert run("show").out.startswith("later-orders@1")
