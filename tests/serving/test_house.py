"""What a process serves, with stand-ins for versions so that loading can be slow, odd or broken at will."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from outlast.errors import NotFound, StorageError
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.served import history
from outlast.registry.versions import register
from outlast.serving.house import House
from outlast.serving.memory import Known, Memory
from outlast.storage.ledger import schema as tables
from outlast.types import now

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


@dataclass
class Stand:
    """A version that only counts."""

    digest: str
    version: int
    model: str = "late"
    contract: Contract = field(default_factory=Contract)
    warmed: int = 0
    closed: bool = False
    apart: bool = False

    def example(self) -> dict[str, Any]:
        return {"a": 1}

    def predict(self, rows: list[Any], *, at: datetime) -> list[Any]:
        assert not self.closed
        self.warmed += 1
        return [SimpleNamespace(rung="full", reasons=[]) for _ in rows]

    def close(self) -> None:
        self.closed = True


class Opener:
    """Opens stand-ins, and breaks for the digests it was told to."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.opened: list[Stand] = []

    def __call__(self, workspace: Workspace, digest: str, version: int) -> Any:
        if digest in self.broken:
            raise RuntimeError("the model is missing a library")
        self.opened.append(Stand(digest, version))
        return self.opened[-1]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace(tmp_path)
    for number in range(1, 6):
        register(found.ledger, "late", digest=f"d{number}", code_digest=None, task="binary", summary={}, lineage={},
                 by="ada", at=NOON)  # fmt: skip
        with found.ledger.write() as connection:
            verdicts.write(connection, "late", number, NOON, [])
    yield found
    found.ledger.dispose()


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def house(workspace: Workspace, opener: Opener) -> House:
    """A house nobody watches for: a test looks when it wants to."""
    return House(workspace, opener, server="s1")


def promote(workspace: Workspace, number: int) -> None:
    with workspace.ledger.read() as connection:
        verdict = verdicts.newest(connection, "late", number)
    assert verdict is not None
    transition(workspace.ledger, "late", action="promote", to=number, by="ada", at=now(), verdict=verdict.digest)


def rollback(workspace: Workspace) -> None:
    transition(workspace.ledger, "late", action="rollback", by="ada", at=now())


def serving(house: House) -> int:
    with house.take("late") as predictor:
        return predictor.version


def test_nothing_is_served_before_a_promotion(house: House) -> None:
    house.look()
    with pytest.raises(NotFound, match="No model 'late' is served here"):
        house.take("late")


def test_a_version_is_warmed_before_it_answers(house: House, workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    house.look()
    assert serving(house) == 1
    assert opener.opened[0].warmed == 2


def test_an_answer_under_way_keeps_its_version_and_its_span_open(house: House, workspace: Workspace) -> None:
    promote(workspace, 1)
    house.look()
    with house.take("late") as old:
        promote(workspace, 2)
        house.look()
        assert serving(house) == 2
        assert not old.closed  # type: ignore[attr-defined]
        assert [span.until for span in history(workspace.ledger, "late")] == [None, None]
    house.look()
    first, second = history(workspace.ledger, "late")
    assert first.until is not None
    assert first.since <= second.since <= first.until
    assert second.until is None


def test_a_rollback_is_a_swap(house: House, workspace: Workspace, opener: Opener) -> None:
    for number in (1, 2):
        promote(workspace, number)
        house.look()
    rollback(workspace)
    house.look()
    assert serving(house) == 1
    assert [one.version for one in opener.opened] == [1, 2]


def test_only_the_live_version_and_the_one_before_stay_loaded(
    house: House, workspace: Workspace, opener: Opener
) -> None:
    for number in (1, 2, 3, 4):
        promote(workspace, number)
        house.look()
    assert [one.closed for one in opener.opened] == [True, True, False, False]


def test_a_version_in_use_is_never_closed(house: House, workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    house.look()
    with house.take("late"):
        for number in (2, 3, 4):
            promote(workspace, number)
            house.look()
        assert not opener.opened[0].closed
    house.look()
    assert [one.closed for one in opener.opened] == [True, True, False, False]


def test_a_version_that_cannot_be_loaded_is_refused_and_the_old_one_stays(
    house: House, workspace: Workspace, opener: Opener
) -> None:
    opener.broken.add("d2")
    promote(workspace, 1)
    house.look()
    promote(workspace, 2)
    house.look()
    assert serving(house) == 1
    assert "late@2 could not be loaded, version 1 stays: RuntimeError: the model" in house.refused["late"]
    assert len(history(workspace.ledger, "late")) == 1
    rollback(workspace)
    house.look()
    assert house.refused == {}
    opener.broken.clear()
    promote(workspace, 3)
    house.look()
    assert serving(house) == 3


def test_a_refused_first_version_says_why_nothing_is_served(house: House, workspace: Workspace, opener: Opener) -> None:
    opener.broken.add("d1")
    promote(workspace, 1)
    house.look()
    with pytest.raises(NotFound, match="missing a library"):
        house.take("late")


def test_with_the_ledger_down_serving_goes_on(
    house: House, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(workspace, 1)
    house.look()
    with monkeypatch.context() as patch:
        down(patch)
        house.look()
        assert "is down" in str(house.down)
        assert serving(house) == 1
    house.look()
    assert house.down is None


def test_without_the_ledger_a_server_starts_from_what_it_served_last(
    workspace: Workspace, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(workspace, 1)
    before = House(workspace, opener, server="s1")
    before.start()
    before.close()
    house = House(workspace, opener, server="s2", poll=3600)
    with monkeypatch.context() as patch:
        down(patch)
        house.start()
        assert serving(house) == 1
    assert [span.server for span in history(workspace.ledger, "late")] == ["s1"]
    house.look()
    assert [(span.server, span.until is None) for span in history(workspace.ledger, "late")] == [
        ("s1", False),
        ("s2", True),
    ]
    house.close()
    assert all(span.until for span in history(workspace.ledger, "late"))


def test_without_ledger_and_memory_a_server_does_not_start(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    down(monkeypatch)
    with pytest.raises(StorageError, match="nothing was served here before"):
        house.start()


def down(patch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StorageError("the database is down")

    patch.setattr("outlast.serving.admitting.rollout.live", fail)


def test_only_the_models_it_was_asked_for(workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    house = House(workspace, opener, server="s1", models=["other"])
    house.look()
    assert house.predictors() == {}


def test_every_taker_gets_a_whole_version_while_it_is_being_changed(house: House, workspace: Workspace) -> None:
    promote(workspace, 1)
    house.look()
    stop, seen, faults = threading.Event(), set(), []

    def take() -> None:
        while not stop.is_set():
            with house.take("late") as predictor:
                seen.add(predictor.version)
                if predictor.closed:  # type: ignore[attr-defined]
                    faults.append(predictor.version)

    takers = [threading.Thread(target=take) for _ in range(3)]
    for taker in takers:
        taker.start()
    for turn in range(20):
        promote(workspace, 1 + (turn + 1) % 5)
        house.look()
    stop.set()
    for taker in takers:
        taker.join()
    assert faults == []
    assert seen <= {1, 2, 3, 4, 5}
    house.close()
    assert all(span.until for span in history(workspace.ledger, "late"))


def test_memory_keeps_one_version_per_model(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "serving")
    assert memory.recall() == []
    for known in (Known("a", 1, "x"), Known("b", 1, "y"), Known("a", 2, "z")):
        memory.remember(known)
    assert memory.recall() == [Known("a", 2, "z"), Known("b", 1, "y")]
    memory.forget("a")
    assert memory.recall() == [Known("b", 1, "y")]


def test_a_damaged_memory_is_named(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match=r"a\.json cannot be read"):
        memory.recall()


def test_watching_takes_a_change_by_itself(workspace: Workspace, opener: Opener) -> None:
    beats = threading.Semaphore(0)
    house = House(workspace, opener, server="s1", poll=0.01)
    house.start(on_beat=beats.release)
    promote(workspace, 1)
    wait_for(beats, lambda: "late" in house.predictors())
    assert house.watching
    house.close()
    assert not house.watching


def wait_for(beats: threading.Semaphore, true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        assert beats.acquire(timeout=30)
    raise AssertionError("it did not happen in a thousand beats")


def edit(workspace: Workspace, statement: sa.Executable) -> None:
    with workspace.ledger.write() as connection:
        connection.execute(statement)


def test_an_edited_row_of_what_is_live_is_refused_and_what_is_served_stays(
    house: House, workspace: Workspace, opener: Opener
) -> None:
    promote(workspace, 1)
    house.look()
    for values in ({"live": 2}, {"live": None}):
        edit(workspace, sa.update(tables.rollouts).values(values))
        house.look()
        assert serving(house) == 1
        assert "version 1 stays: Model 'late' has" in house.refused["late"]
    edit(workspace, sa.delete(tables.rollouts))
    house.look()
    assert serving(house) == 1
    assert [one.version for one in opener.opened] == [1]


def test_a_version_whose_bytes_were_exchanged_is_refused_before_it_is_opened(
    house: House, workspace: Workspace, opener: Opener
) -> None:
    promote(workspace, 1)
    house.look()
    promote(workspace, 2)
    edit(workspace, sa.update(tables.versions).where(tables.versions.c.number == 2).values(digest="d5"))
    house.look()
    assert serving(house) == 1
    assert "late@2 has the bytes d5, and d2 were let out" in house.refused["late"]
    assert [one.digest for one in opener.opened] == ["d1"]
    edit(workspace, sa.update(tables.versions).where(tables.versions.c.number == 2).values(digest="d2"))
    rollback(workspace)
    house.look()
    assert (serving(house), house.refused) == (1, {})


def test_advice_is_marked_from_the_next_look_on(house: House, workspace: Workspace) -> None:
    promote(workspace, 1)
    house.look()
    with workspace.ledger.read() as connection:
        verdict = verdicts.newest(connection, "late", 1)
    assert verdict is not None
    assert not house.take("late").advice
    transition(workspace.ledger, "late", action="advise", to=1, by="ada", at=now(), verdict=verdict.digest)
    house.look()
    assert house.take("late").advice


def stand_beside(workspace: Workspace, number: int, stage: Any = "canary", share: float | None = 10) -> None:
    with workspace.ledger.read() as connection:
        verdict = verdicts.newest(connection, "late", number)
    assert verdict is not None
    transition(
        workspace.ledger, "late", action=stage, to=number, share=share, by="ada", at=now(), verdict=verdict.digest
    )


def beside(house: House) -> str | None:
    found = house.take_beside("late")
    if found is None:
        return None
    with found.seat:
        return str(found)


def test_a_challenger_stands_beside_what_answers(house: House, workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    stand_beside(workspace, 2)
    house.look()
    assert (serving(house), beside(house)) == (1, "2 as canary 10%")
    assert [one.version for one in opener.opened] == [1, 2]
    assert [(span.version, span.role) for span in history(workspace.ledger, "late")] == [(1, None), (2, "canary")]
    transition(workspace.ledger, "late", action="withdraw", by="ada", at=now())
    house.look()
    house.look()
    assert (serving(house), beside(house)) == (1, None)
    assert [span.until is None for span in history(workspace.ledger, "late")] == [True, False]


def test_a_challenger_that_wins_is_a_swap(house: House, workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    stand_beside(workspace, 2, "shadow", None)
    house.look()
    promote(workspace, 2)
    house.look()
    house.look()
    assert (serving(house), beside(house)) == (2, None)
    assert [one.version for one in opener.opened] == [1, 2]
    rollback(workspace)
    house.look()
    assert (serving(house), len(opener.opened)) == (1, 2)
    assert not any(one.closed for one in opener.opened)


def test_a_withdrawn_challenger_is_let_go_before_what_was_live(
    house: House, workspace: Workspace, opener: Opener
) -> None:
    for number in (1, 2):
        promote(workspace, number)
        house.look()
    stand_beside(workspace, 3)
    house.look()
    found = house.take_beside("late")
    assert found is not None
    transition(workspace.ledger, "late", action="withdraw", by="ada", at=now())
    house.look()
    assert not any(one.closed for one in opener.opened), "a request is under way on the challenger"
    with found.seat:
        pass
    house.look()
    assert [one.closed for one in opener.opened] == [False, False, True]


def test_a_challenger_that_cannot_be_loaded_costs_nothing(house: House, workspace: Workspace, opener: Opener) -> None:
    opener.broken.add("d2")
    promote(workspace, 1)
    stand_beside(workspace, 2)
    house.look()
    assert (serving(house), beside(house), house.refused) == (1, None, {})
    assert "late@2 could not be loaded, what is live goes on without it" in house.turned_away["late"]
    transition(workspace.ledger, "late", action="withdraw", by="ada", at=now())
    house.look()
    assert house.turned_away == {}


def test_a_challenger_whose_row_was_edited_is_not_loaded(house: House, workspace: Workspace, opener: Opener) -> None:
    promote(workspace, 1)
    house.look()
    stand_beside(workspace, 2)
    edit(workspace, sa.update(tables.versions).where(tables.versions.c.number == 2).values(digest="d5"))
    house.look()
    assert (serving(house), beside(house)) == (1, None)
    assert [one.digest for one in opener.opened] == ["d1"]
    assert "late@2 has the bytes d5, and d2 were let out" in house.refused["late"]
