"""Which labels meet a prediction, and which change what was said before: last_count, whoever asks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outlast.bundle.answers import Answer
from outlast.journal.journal import Journal
from outlast.journal.records import LabelRecord, label
from outlast.journal.strays import Strays, count, last_count, strays
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.types import micros

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


class Version(msgspec.Struct):
    model: str = "late"
    version: int = 1
    digest: str = "d" * 64
    contract: Contract = Contract()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Predictions p0 to p4, about UA 0 to UA 4; some sealed, some not."""
    found = Workspace(tmp_path)
    with Journal(found) as journal:
        answer_to(journal, range(3))
        journal.seal()
        answer_to(journal, range(3, 5))
    yield found
    found.ledger.dispose()


def answer_to(journal: Journal, numbers: range) -> None:
    at = micros(NOON)
    journal.predictions(
        [Answer(f"p{n}", f"UA\x1f{n}", at, at, {}, {}, 0.5, None, "act", "full", [], [], b"") for n in numbers],
        Version(),
        request_id="r",
        server="s",
    )


def given(value: Any, *, id: str | None = None, key: str | None = None, hours: float = 0) -> LabelRecord:
    known = micros(NOON + timedelta(hours=hours))
    return label("late", value, prediction_id=id, key=key, known_at=known, at=known, origin="test")


def test_labels_meet_predictions_by_id_and_by_key_sealed_or_not(workspace: Workspace) -> None:
    records = [given(True, id="p0"), given(True, id="p4"), given(True, key="UA\x1f1"), given(True, key="UA\x1f3")]
    assert strays(workspace, "late", records) == Strays(4, 4, 0, 0)
    assert strays(workspace, "late", records).sentence == ""


def test_labels_that_name_nothing_are_counted_with_examples_each_once(workspace: Workspace) -> None:
    records = [given(True, key=f"UA\x1f{n}") for n in (7, 7, 1, 8, 9, 10)] + [given(True, id="UA\x1f1")]
    found = strays(workspace, "late", records)
    assert (found.labels, found.matched, found.unknown, found.changed) == (7, 1, 6, 0)
    assert found.examples == ("UA, 7", "UA, 8", "UA, 9")
    assert found.sentence == "6 name no known prediction or key, such as UA, 7, UA, 8, UA, 9"
    assert strays(workspace, "nobody", records).unknown == 7


def test_a_label_that_says_otherwise_is_a_change_and_the_same_again_is_none(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        journal.labels([given(True, id="p0"), given(1, id="p1"), given(True, key="UA\x1f2"), given(False, id="p3")])
        journal.seal()
    again = [given(True, id="p0", hours=1), given(1.0, id="p1", hours=1), given(True, id="p2", hours=1)]
    assert strays(workspace, "late", again) == Strays(3, 3, 0, 0)
    other = [given(False, id="p0", hours=1), given(2, id="p1", hours=1), given(False, key="UA\x1f2", hours=1)]
    assert strays(workspace, "late", other) == Strays(3, 3, 0, 3)
    assert strays(workspace, "late", other).sentence == "3 change an earlier label"
    back_and_forth = [given(value, id="p4", hours=n) for n, value in enumerate([True, False, False, True])]
    assert strays(workspace, "late", back_and_forth).changed == 2
    assert strays(workspace, "late", [given("a", id="p4"), given("b", id="p4", hours=1)]).changed == 1


def test_a_tick_counts_all_of_them_and_a_prediction_that_comes_later_is_met(workspace: Workspace) -> None:
    assert count(workspace, "late", now=NOON) is None
    assert last_count(workspace.ledger) == {}
    with Journal(workspace) as journal:
        journal.labels([given(True, id="p0"), given(False, id="p0", hours=1), given(True, key="UA\x1f5")])
        found = count(workspace, "late", now=NOON)
        assert found == Strays(3, 2, 1, 1, ("UA, 5",))
        assert last_count(workspace.ledger) == {"late": found}
        assert count(workspace, "late", now=NOON) is None
        answer_to(journal, range(5, 6))
    assert count(workspace, "late", now=NOON) == Strays(3, 3, 0, 1)
    assert last_count(workspace.ledger) == {"late": Strays(3, 3, 0, 1)}
    assert count(workspace, "late", now=NOON) is None
