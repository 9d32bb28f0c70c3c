"""Requests in flight, computed together by a real version."""

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from late_project import ROW, promote

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.requests import Asked
from outlast.errors import RequestError, StorageError, Unavailable
from outlast.journal.columns import PREDICTIONS
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.metrics import Metrics
from outlast.serving.together import Busy, Late, Together
from outlast.types import ModelRef


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("together") / "late"))
    workspace = Workspace.find(folder)
    promote(workspace, 1)
    return workspace


@pytest.fixture(scope="module")
def version(place: Workspace) -> Predictor:
    return open_predictor(place, find(place.ledger, ModelRef.parse("late@1")).digest, 1)


@pytest.fixture
def journal(place: Workspace) -> Iterator[Journal]:
    with Journal(place) as found:
        yield found


@pytest.fixture
def batches(version: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were computed at once, time after time."""
    sizes: list[int] = []
    real = version.answer

    def counted(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
        sizes.append(len(asked))
        return real(asked, now, look_up)

    monkeypatch.setattr(version, "answer", counted)
    return sizes


def together(journal: Journal, **more: Any) -> Together:
    return Together(journal, Metrics(), "here", **more)


def all_of(*asked: Coroutine[Any, Any, Any]) -> list[Any]:
    async def run() -> list[Any]:
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)

    return asyncio.run(run())


def test_those_who_come_at_once_are_computed_at_once(version: Predictor, journal: Journal, batches: list[int]) -> None:
    queue = together(journal)
    alone = version.predict([ROW], at=datetime.now(UTC))[0]
    batches.clear()
    found = all_of(*(queue.answers(version, [ROW], f"r{n}") for n in range(40)))
    assert batches == [40]
    assert {one.score for (one,) in found} == {alone.score}
    assert len({one.prediction_id for (one,) in found}) == 40


def test_a_batch_ends_where_another_request_would_pass_it(
    version: Predictor, journal: Journal, batches: list[int]
) -> None:
    queue = together(journal)
    found = all_of(*(queue.answers(version, [ROW] * 30, f"r{n}") for n in range(5)))
    assert batches == [60, 60, 30]
    assert [len(one) for one in found] == [30] * 5


def test_each_is_kept_under_its_own_request(version: Predictor, journal: Journal, place: Workspace) -> None:
    found = all_of(*(together(journal).answers(version, [ROW], f"own-{n}") for n in range(3)))
    journal.seal()
    rows = place.tables.scan(PREDICTIONS.stream("late")).collect()
    kept = dict(rows.select("prediction_id", "request_id").iter_rows())
    assert [kept[one.prediction_id] for (one,) in found] == ["own-0", "own-1", "own-2"]


def test_two_versions_are_never_mixed(version: Predictor, journal: Journal, place: Workspace) -> None:
    other = open_predictor(place, find(place.ledger, ModelRef.parse("late@2")).digest, 2)
    apart = [one.predict([ROW], at=datetime.now(UTC))[0].score for one in (version, other)]
    assert apart[0] != apart[1]
    queue = together(journal)
    found = all_of(*(queue.answers(one, [ROW], "r") for one in (version, other) * 3))
    assert [one.score for (one,) in found] == apart * 3


def test_a_row_that_cannot_be_read_is_its_own_fault(version: Predictor, journal: Journal, batches: list[int]) -> None:
    queue = together(journal)
    wrong = {**ROW, "distance": "far"}
    found = all_of(*(queue.answers(version, [row], "r") for row in (ROW, wrong, ROW)))
    assert [type(one) for one in found] == [list, RequestError, list]
    assert batches == [2]


def test_a_request_nothing_can_answer_fails_alone(
    version: Predictor, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = version.answer

    def poisoned(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
        if any(one.values[2] == 13.0 for one in asked):
            raise Unavailable("no rung is left")
        return real(asked, now, look_up)

    monkeypatch.setattr(version, "answer", poisoned)
    queue = together(journal)
    rows = [ROW, {**ROW, "distance": 13.0}, ROW]
    found = all_of(*(queue.answers(version, [row], "r") for row in rows))
    assert [type(one) for one in found] == [list, Unavailable, list]


def test_who_leaves_in_the_middle_of_a_batch_holds_up_nobody(version: Predictor, journal: Journal) -> None:
    queue = together(journal)

    async def run() -> tuple[list[Any], list[Answer]]:
        tasks = [asyncio.create_task(queue.answers(version, [ROW], f"r{n}")) for n in range(4)]
        await asyncio.sleep(0)  # all are in the queue, none is computed
        tasks[1].cancel()
        first = await asyncio.gather(*tasks, return_exceptions=True)
        return first, await queue.answers(version, [ROW], "next")

    found, after = asyncio.run(asyncio.wait_for(run(), 60))
    assert [type(one) for one in found] == [list, asyncio.CancelledError, list, list]
    assert len(after) == 1


def test_who_leaves_while_it_is_computed_holds_up_nobody(
    version: Predictor, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, tasks = together(journal), []
    real = version.answer

    def left(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
        tasks[0].cancel()
        return real(asked, now, look_up)

    async def run() -> list[Any]:
        tasks.extend(asyncio.create_task(queue.answers(version, [ROW], f"r{n}")) for n in range(3))
        return await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.setattr(version, "answer", left)
    found = asyncio.run(asyncio.wait_for(run(), 60))
    assert [type(one) for one in found] == [asyncio.CancelledError, list, list]


def test_a_full_queue_says_when_to_come_again(version: Predictor, journal: Journal) -> None:
    queue = together(journal, room=50)
    found = all_of(*(queue.answers(version, [ROW] * 20, f"r{n}") for n in range(4)))
    assert [type(one) for one in found] == [list, list, Busy, Busy]
    assert "40 rows wait here already, of 50 that may" in str(found[2])
    (after,) = all_of(queue.answers(version, [ROW] * 20, "after"))
    assert len(after) == 20


def test_one_request_larger_than_the_room_is_answered_when_nobody_waits(version: Predictor, journal: Journal) -> None:
    ((found),) = all_of(together(journal, room=5).answers(version, [ROW] * 20, "r"))
    assert len(found) == 20


def test_nothing_is_computed_for_whom_the_time_ran_out(
    version: Predictor, journal: Journal, batches: list[int]
) -> None:
    queue = together(journal)
    found = all_of(queue.answers(version, [ROW], "a", within=0.0), queue.answers(version, [ROW], "b", within=3600.0))
    assert [type(one) for one in found] == [Late, list]
    assert batches == [1]


def test_what_is_not_in_the_journal_is_not_answered(
    version: Predictor, journal: Journal, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StorageError("no room on the disk")

    monkeypatch.setattr(journal, "together", full)
    queue = together(journal)
    found = all_of(*(queue.answers(version, [ROW], "r") for _ in range(3)))
    assert [str(one) for one in found] == ["no room on the disk"] * 3
    assert batches == [3], "it is not computed again"
    monkeypatch.undo()
    (after,) = all_of(queue.answers(version, [ROW], "after"))
    assert len(after) == 1
