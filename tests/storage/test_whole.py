"""Files that are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from outlast.storage import whole
from outlast.storage.whole import write_whole


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    for data in (b"first", b"second"):
        write_whole(file, data)
        assert file.read_bytes() == data
    assert os.listdir(tmp_path) == ["one.json"]


def test_one_that_is_private_is_from_its_first_byte(tmp_path: Path) -> None:
    write_whole(tmp_path / "one", b"mine", mode=0o600)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_what_fails_leaves_what_was_there_and_nothing_else(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one"
    write_whole(file, b"before")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole.os, broken, fails)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, b"after")
    monkeypatch.undo()
    assert file.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["one"]
