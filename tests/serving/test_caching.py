"""An equal question asked again within the contract's time is not computed again, and is an answer of its own."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numbers_project
import polars as pl
import pytest
from late_project import CONTRACT, ROW, build
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.requests import Asked
from outlast.journal import reading
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.caching import Caching
from outlast.serving.metrics import Metrics
from outlast.serving.together import Together
from outlast.types import ModelRef, micros

NOW, SECOND = micros(datetime(2024, 2, 1, tzinfo=UTC)), 1_000_000
SERVING = '\n[serving]\ncache = "60s"\nladder = ["full", "default"]\ndefaults = {decision = "no"}\n'
PLANK = {"width": 12.5, "length": 3.25, "knots": 2}
ASKED = {**ROW, "decide_at": "2013-06-28T12:00:00Z"}


def opened(workspace: Workspace, model: str) -> Predictor:
    return open_predictor(workspace, find(workspace.ledger, ModelRef(model, 1)).digest, 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A version without lookups whose contract allows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers_project, "CONTRACT", numbers_project.CONTRACT + '\n[serving]\ncache = "60s"\n')
        found = numbers_project.build(tmp_path_factory.mktemp("cached") / "grade")
    yield found
    found.ledger.dispose()


@pytest.fixture(scope="module")
def plank(place: Workspace) -> Predictor:
    return opened(place, "grade")


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A version with lookups and a default, whose contract allows it."""
    workspace = build(tmp_path_factory.mktemp("cached") / "late", 1, contract=CONTRACT + SERVING)
    return opened(workspace, "late")


class Counted:
    """A cache, and what was computed through it."""

    def __init__(self, predictor: Predictor, patch: pytest.MonkeyPatch, **more: Any) -> None:
        self.predictor, self.computed, self.told = predictor, [0], [0, 0]
        self._caching, real = Caching(self._count, **more), predictor.answer

        def answer(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
            self.computed[0] += len(asked)
            return real(asked, now, look_up)

        patch.setattr(predictor, "answer", answer)

    def _count(self, model: str, found: int, not_found: int) -> None:
        self.told = [self.told[0] + found, self.told[1] + not_found]

    def ask(self, *rows: dict[str, Any], after: float = 0) -> list[Answer]:
        now = NOW + int(after * SECOND)
        return self._caching.answers(self.predictor, self.predictor.decode(rows, now), now)


def test_an_equal_row_is_answered_again_under_an_id_of_its_own(plank: Predictor, monkeypatch: Any) -> None:
    cache = Counted(plank, monkeypatch)
    (first,) = cache.ask({**PLANK, "plank": 7})
    (again,) = cache.ask({**PLANK, "plank": 8, "colour": "red"}, after=59)
    assert cache.computed == [1]
    assert (again.scores, again.decision, again.features) == (first.scores, first.decision, first.features)
    assert again.prediction_id != first.prediction_id
    assert (first.key, again.key) == ("7", "8")
    assert (again.at - first.at, again.decide_at - first.decide_at) == (59 * SECOND, 59 * SECOND)
    assert (first.warnings, again.warnings) == ([], ["'colour' is not a field and was ignored"])
    assert cache.told == [1, 1]


def test_it_is_computed_again_after_its_time_and_the_time_is_not_moved_on(plank: Predictor, monkeypatch: Any) -> None:
    cache = Counted(plank, monkeypatch)
    for after, computed in [(0, 1), (50, 1), (61, 2), (120, 2), (122, 3)]:
        cache.ask(PLANK, after=after)
        assert cache.computed == [computed], after


def test_rows_of_one_request_are_mixed_in_their_order(plank: Predictor, monkeypatch: Any) -> None:
    cache = Counted(plank, monkeypatch)
    rows = [{**PLANK, "knots": knots} for knots in range(6)]
    expected = [one.scores for one in cache.ask(*rows)]
    mixed = [rows[3], {**PLANK, "knots": 8}, rows[0], {**PLANK, "length": None}]
    found = cache.ask(*mixed, after=1)
    assert cache.computed == [8]
    assert [found[0].scores, found[2].scores] == [expected[3], expected[0]]
    assert found[1].scores == plank.predict([mixed[1]], at=datetime.now(UTC))[0].scores


def test_numbers_that_compare_alike_are_not_taken_for_each_other(plank: Predictor, monkeypatch: Any) -> None:
    cache = Counted(plank, monkeypatch)
    cache.ask({**PLANK, "width": 0.0})
    cache.ask({**PLANK, "width": -0.0})
    assert cache.computed == [2]


def test_the_one_asked_for_longest_ago_goes_first(plank: Predictor, monkeypatch: Any) -> None:
    cache = Counted(plank, monkeypatch, kept=2)
    one, two, three = ({**PLANK, "knots": knots} for knots in (1, 2, 3))
    for row in (one, two, one, three):
        cache.ask(row)
    assert cache.computed == [3]
    cache.ask(one)
    assert cache.computed == [3]
    cache.ask(two)
    assert cache.computed == [4]


def test_with_lookups_only_the_same_moment_is_the_same_question(late: Predictor, monkeypatch: Any) -> None:
    cache = Counted(late, monkeypatch)
    first, again = cache.ask(ASKED), cache.ask(ASKED, after=1)
    assert cache.computed == [1]
    assert again[0].features == first[0].features
    cache.ask({**ASKED, "decide_at": "2013-06-28T12:00:01Z"}, after=1)
    cache.ask(ROW, after=1)
    cache.ask(ROW, after=2)  # without a moment it is now, and now is another one
    assert cache.computed == [4]


def test_lower_rungs_are_not_kept(late: Predictor, monkeypatch: Any) -> None:
    cache, broken = Counted(late, monkeypatch), True
    real = late._full.scored

    def scored(*asked: Any) -> Any:
        if broken:
            raise RuntimeError("for a moment")
        return real(*asked)

    monkeypatch.setattr(late._full, "scored", scored)
    assert cache.ask(ASKED)[0].rung == "default"
    broken = False
    assert cache.ask(ASKED)[0].rung == "full"
    assert cache.computed == [2]


def test_a_version_whose_contract_does_not_say_so_computes_each(plank: Predictor, monkeypatch: Any) -> None:
    without = plank.contract.serving.model_copy(update={"cache": None})
    monkeypatch.setattr(plank, "contract", plank.contract.model_copy(update={"serving": without}))
    cache = Counted(plank, monkeypatch)
    cache.ask(PLANK), cache.ask(PLANK)
    assert (cache.computed, cache.told) == ([2], [0, 0])


def test_answers_of_the_cache_are_journaled_and_counted_like_others(place: Workspace, plank: Predictor) -> None:
    metrics = Metrics()
    with Journal(place) as journal:
        together = Together(journal, metrics, "here")

        async def ask() -> list[str]:
            return [(await together.answers(plank, [PLANK], name))[0].prediction_id for name in ("a", "b", "c")]

        ids = asyncio.run(ask())
        kept = reading.predictions(place, "grade").filter(pl.col("prediction_id").is_in(ids)).collect()
    assert sorted(kept["request_id"]) == ["a", "b", "c"]
    assert kept["scores"].n_unique() == 1
    samples = {
        (sample.name, sample.labels.get("result", "")): sample.value
        for family in text_string_to_metric_families(generate_latest(metrics._registry).decode())
        for sample in family.samples
    }
    assert samples["outlast_cache_total", "hit"] == 2
    assert samples["outlast_cache_total", "miss"] == 1
    assert samples["outlast_predictions_total", ""] == 3
