"""One function over many parts, in this process."""

import threading
from pathlib import Path

import pytest

from outlast.engines import Local, local, size_of
from outlast.errors import ProjectError


@pytest.mark.parametrize("wanted", [[], [3], [3, 1, 2] * 20])
def test_parts_come_back_in_their_order(wanted: list[int]) -> None:
    squares = [n * n for n in wanted]
    assert Local().whole(lambda n: n * n, iter(wanted)) == squares
    assert Local().shared(lambda n: n * n, iter(wanted)) == squares


def test_small_parts_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_processors", lambda: 2)
    both = threading.Barrier(2)
    assert Local().shared(lambda n: (both.wait(timeout=30), n)[1], [1, 2]) == [1, 2]


def test_a_machine_of_one_processor_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_processors", lambda: 1)
    assert set(Local().shared(lambda _: threading.get_ident(), range(5))) == {threading.get_ident()}


def test_what_fails_in_a_part_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        Local().shared(lambda n: 1 // n, [1, 0, 1])


def test_half_of_the_memory_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(local, "_LIMITS", (tmp_path / "missing", limit))
    found = {}
    for said in ("max", str(3 * 2**30)):
        limit.write_text(f"{said}\n")
        local._machine.cache_clear()
        found[said] = Local().memory
    local._machine.cache_clear()
    assert found[str(3 * 2**30)] == 3 * 2**29 < found["max"]
    assert Local(2**20).memory == 2**20


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("512MiB", 2**29), (" 2 ti ", 2**41), ("1048576", 2**20)]
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "4XB", "-1GB", "0", "1kb", "GB", "i", "5i"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ProjectError, match=r"OUTLAST_MEMORY is '.*': expected a size of at least 1 MB"):
        size_of(text)
