"""What DVC's own files say of a source."""

import hashlib
from pathlib import Path

import pytest

from outlast.data.dvc import dvc_hash

CONTENT = b"a,b\n1,2\n"
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "rows.csv"
    file.write_bytes(CONTENT)
    return file


def test_a_file_without_a_note_has_no_hash(file: Path) -> None:
    assert dvc_hash(file) is None


@pytest.mark.parametrize(("said", "matches"), [(MD5, True), ("0" * 32, False)])
def test_the_note_beside_a_file_is_compared_with_its_content(file: Path, said: str, matches: bool) -> None:
    file.with_name("rows.csv.dvc").write_text(f"outs:\n- md5: {said}\n  size: 8\n  path: rows.csv\n")
    assert dvc_hash(file) == {"hash": said, "noted_in": "rows.csv.dvc", "matches": matches}


def test_the_note_of_a_folder_around_it_counts(file: Path) -> None:
    (file.parents[1] / "data.dvc").write_text("outs:\n- md5: abc.dir\n  path: data\n")
    assert dvc_hash(file) == {"hash": "abc.dir", "noted_in": "data.dvc", "matches": None}


def test_what_a_pipeline_made_is_in_its_lock(file: Path) -> None:
    lock = f"schema: '2.0'\nstages:\n  clean:\n    cmd: x\n    outs:\n    - path: data/rows.csv\n      md5: {MD5}\n"
    (file.parents[1] / "dvc.lock").write_text(lock)
    assert dvc_hash(file) == {"hash": MD5, "noted_in": "dvc.lock", "matches": True}


def test_notes_about_other_files_and_broken_notes_say_nothing(file: Path) -> None:
    file.with_name("rows.csv.dvc").write_text("outs:\n- md5: abc\n  path: others.csv\n")
    (file.parents[1] / "data.dvc").write_text("outs: [")
    assert dvc_hash(file) is None
