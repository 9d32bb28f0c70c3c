"""Names that the processes of a host share: one of them is first, and what it leaves behind is known."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.storage.names import ENDED, PENDING, UNKNOWN, Names

A, B = b"a" * 16, b"b" * 16
ASKED, OTHER = b"12345678", b"87654321"


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    found = Names(tmp_path / "x.names")
    yield found
    found.close()


def test_a_name_is_taken_once_and_says_with_what(names: Names) -> None:
    first = names.take(A, ASKED, 7)
    assert (first.first, first.state) == (True, 0)
    names.end(first.place, ENDED, 5)
    again = names.take(A, OTHER, 9)
    assert (again.first, again.state, again.asked, again.at, again.note) == (False, ENDED, ASKED, 7, 5)
    assert names.take(B, ASKED, 7).state == 0


def test_a_name_given_back_is_new(names: Names) -> None:
    names.free(names.take(A, ASKED, 7).place)
    assert names.take(A, OTHER, 9).state == 0


def test_a_name_that_ended_is_taken_anew_only_where_that_is_meant(names: Names) -> None:
    names.end(names.take(A, ASKED, 7).place, ENDED)
    assert names.take(A, ASKED, 9, anew=True).first
    assert names.take(A, ASKED, 9).state == UNKNOWN


def test_what_one_process_takes_another_sees_and_gets_when_it_dies(names: Names, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from outlast.storage.names import Names, ENDED\n"
        "names = Names(Path(sys.argv[1])); names.take(b'a' * 16, b'12345678', 7)\n"
        "names.end(names.take(b'b' * 16, b'12345678', 8).place, ENDED); print('taken', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.names")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        seen = names.take(A, ASKED, 9)
        assert (seen.first, seen.state, seen.at) == (False, PENDING, 7)
        other.kill()
        other.wait(30)
    left = names.take(A, ASKED, 9)
    assert (left.first, left.state, left.at) == (True, UNKNOWN, 7)
    assert names.take(B, ASKED, 9).state == ENDED


def test_the_oldest_that_ended_gives_way_and_who_is_at_work_does_not(tmp_path: Path) -> None:
    names = Names(tmp_path / "x.names", room=8)
    taken = [names.take(bytes([n]) * 16, ASKED, n) for n in range(8)]
    crowded = names.take(A, ASKED, 9)
    assert (crowded.place, crowded.first) == (-1, True)  # nobody's answer is held up by a full file
    for one in taken[3:]:
        names.end(one.place, ENDED)
    names.end(names.take(A, ASKED, 9).place, ENDED)
    assert names.take(bytes([3]) * 16, ASKED, 10).state == 0
    assert names.take(A, ASKED, 11).state == ENDED
    names.close()


def test_where_the_file_cannot_be_every_name_is_new_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    names = Names(tmp_path / "file" / "x.names")
    assert [names.take(A, ASKED, n).first for n in range(3)] == [True] * 3
    names.end(-1, ENDED)
    names.free(-1)
    assert len(caplog.records) == 1
    names.close()


def test_a_file_of_another_kind_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "x.names").write_bytes(b"a" * 10_000)
    names = Names(tmp_path / "x.names")
    assert names.take(A, ASKED, 7).state == 0
    names.end(names.take(B, ASKED, 7).place, ENDED)
    names.close()
    again = Names(tmp_path / "x.names")
    assert again.take(B, ASKED, 9).state == ENDED
    again.close()
