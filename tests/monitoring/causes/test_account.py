"""Injected faults and what is said of them: the quick form of `benchmarks/monitoring/causes.py`."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outlast.data.past.declared import Declared, Word
from outlast.data.profile import MISSING, UNSEEN, Bins
from outlast.monitoring.causes import Onset, account, slicing
from outlast.monitoring.causes.faults import column_faults
from outlast.monitoring.causes.words import rows_where

FOLDER = Path(__file__).parents[3] / "benchmarks" / "monitoring"
HARM = datetime(2024, 3, 5, 12, tzinfo=UTC)
ROWS = 6_000


@pytest.fixture(scope="module")
def made() -> Iterator[Any]:
    """The benchmark's faults."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield import_module("_faults")
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("_faults", None)


@pytest.fixture(scope="module")
def shop(made: Any) -> Any:
    return made.Shop()


def test_a_feed_whose_columns_are_gone_is_named_with_its_columns(made: Any, shop: Any) -> None:
    fault = made.Fault("feed gone", "weather", served=made.nulls(["temp", "wind", "visib"], 0.6))
    found = account(shop.case(shop.rows(ROWS, 1, fault, made.decoy(0)), since=HARM))
    assert found.first is not None
    assert (found.first.kind, found.first.name, found.action) == ("feed", "weather", "fix feed")
    assert "temp, wind and visib of source 'weather' changed together" in found.first.says
    assert found.sentence.startswith("Since 2024-03-05 12:00 UTC a decision loses 0.")
    assert found.sentence.endswith("proposed: fix the feed 'weather'")
    low, high = found.cost[1:]
    assert low < found.cost[0] < high
    assert found.cost[0] == pytest.approx(2000 * 10 * found.split.change)


def test_celsius_for_fahrenheit_is_recognised(made: Any, shop: Any) -> None:
    fault = made.Fault("unit", "temp", served=made.to_unit("temp", 1 / 1.8, -32 / 1.8))
    found = account(shop.case(shop.rows(ROWS, 2, fault, made.decoy(1))))
    assert found.first is not None
    assert "looks like Celsius in place of Fahrenheit" in found.first.says
    assert found.action == "fix feed"


def test_a_unit_is_recognised_by_the_days_before_a_jump_where_the_reference_is_of_another_season(
    made: Any, shop: Any
) -> None:
    """A summer's temperatures, which the reference has few of, in Celsius: what a cool day has in its own unit."""
    summer = made.Fault("summer", "temp", world=made.moved("temp", 14))
    before = shop.case(shop.rows(ROWS, 6, summer)).live.cells
    case = shop.case(
        shop.rows(ROWS, 7, summer, made.Fault("unit", "temp", served=made.to_unit("temp", 1 / 1.8, -32 / 1.8)))
    )
    place = [bins.name for bins in case.bins].index("temp")
    assert [one.what for one in column_faults(case) if "temp" in one.columns and "Celsius" in one.what] == []
    found = column_faults(replace(case, lately={"temp": before[place]}))
    assert [one.what for one in found if "temp" in one.columns] == ["looks like Celsius in place of Fahrenheit"]


def test_outcomes_that_changed_for_some_rows_are_told_with_these_rows(made: Any, shop: Any) -> None:
    def by_phone(x: Any) -> Any:
        return 2.0 * (x["channel"] == "phone").to_numpy()

    found = account(shop.case(shop.rows(ROWS, 3, made.Fault("some", "outcomes", tilt=by_phone))))
    assert found.first is not None
    assert found.first.kind == "outcomes"
    assert found.rows is not None
    assert "channel is 'phone'" in found.rows.says
    assert found.rows.carries > 0.6 > 2 * found.rows.rows
    assert found.action == "retrain"


def test_outcomes_that_changed_alike_for_all_call_for_recalibration(made: Any, shop: Any) -> None:
    found = account(shop.case(shop.rows(ROWS, 4, made.Fault("all", "outcomes", tilt=lambda x: np.full(x.height, 1.2)))))
    assert found.first is not None
    assert (found.first.kind, found.action) == ("outcomes", "recalibrate")


def test_other_rows_are_told_by_the_column_that_brings_them(made: Any, shop: Any) -> None:
    fault = made.Fault("other rows", "temp", world=made.moved("temp", -12))
    found = account(shop.case(shop.rows(ROWS, 5, fault, made.decoy(1))))
    assert found.first is not None
    assert (found.first.kind, found.first.name) == ("shift", "temp")
    assert found.split.mix > 0.6 * found.split.change


def test_what_costs_less_than_is_tolerated_is_to_be_ignored(made: Any, shop: Any) -> None:
    fault = made.Fault("other rows", "temp", world=made.moved("temp", -4))
    rows = shop.rows(ROWS, 6, fault)
    costly, cheap = (account(shop.case(rows, tolerance=limit)) for limit in (0.0, 5_000.0))
    assert (costly.action, cheap.action) == ("retrain", "ignore")


def test_what_moved_after_the_harm_is_not_accused(made: Any, shop: Any) -> None:
    faults = [made.Fault("null", name, served=made.nulls([name], 0.8)) for name in ("late_3d", "visib")]
    rows = shop.rows(ROWS, 7, *faults)
    onsets = [
        Onset("late_3d", "quality", HARM - timedelta(hours=3)),
        Onset("visib", "quality", HARM + timedelta(days=2)),
    ]
    found = account(shop.case(rows, since=HARM, onsets=onsets))
    names = [one.name for one in found.suspects]
    assert names[0] == "late_3d"
    assert found.suspects[0].since == HARM - timedelta(hours=3)
    assert names[-1] == "visib"


def test_a_feed_that_its_own_watch_found_at_fault_is_the_first(made: Any, shop: Any) -> None:
    onsets = [Onset("weather", "feed", HARM - timedelta(hours=1))]
    found = account(
        shop.case(shop.rows(ROWS, 8, made.Fault("x", "x", tilt=lambda x: np.ones(x.height))), since=HARM, onsets=onsets)
    )
    assert found.first is not None
    assert (found.first.kind, found.first.name) == ("feed", "weather")


def test_before_labels_are_here_only_what_cells_tell_is_said(made: Any, shop: Any) -> None:
    fault = made.Fault("feed gone", "deliveries", served=made.nulls(["late_1d", "late_3d", "parcels"], 0.7))
    case = shop.case(shop.rows(ROWS, 9, fault))
    unlabelled = type(case)(case.profile, case.past, case.live, np.zeros_like(case.graded), sources=case.sources)
    found = account(unlabelled)
    assert not found.known
    assert found.split.concept == pytest.approx(0, abs=1e-3)
    assert found.first is not None
    assert found.first.name == "deliveries"
    assert found.rows is None


def test_nearly_every_fault_of_a_few_of_each_kind_comes_first(made: Any, shop: Any) -> None:
    faults = made.faults(np.random.default_rng(4))[1::5]
    right = []
    for place, fault in enumerate(faults):
        found = account(shop.case(shop.rows(ROWS, 100 + place, fault, made.decoy(place)))).first
        right.append(found is not None and found.name == fault.name)
    assert len({fault.kind for fault in faults}) >= 5
    assert np.mean(right) >= 0.8


def test_what_cannot_be_told_without_labels_is_said_to_be_unknown(made: Any, shop: Any) -> None:
    moved = made.Fault("other rows", "wind", world=made.moved("wind", 20))
    case = shop.case(shop.rows(ROWS, 5, moved), since=HARM)
    assert "unknown" not in account(case).sentence
    found = account(replace(case, graded=np.zeros_like(case.graded), found=None, pairs=None))
    assert not found.known
    assert found.sentence.startswith("Since 2024-03-05 12:00 UTC what a decision loses is unknown: ")
    assert found.action == "label"
    assert found.sentence.endswith("proposed: label 200 of these rows, those unlike any of training too")


def test_a_change_that_may_be_chance_has_no_parts_and_no_worst_rows(made: Any, shop: Any) -> None:
    found = account(shop.case(shop.rows(ROWS, 5, made.Fault("nothing", "nothing"))))
    assert found.cost[1] <= 0 <= found.cost[2]
    assert ", which may be chance" in found.sentence
    assert "of that " not in found.sentence
    assert "worst where" not in found.sentence


def test_cells_that_the_reference_never_filled_are_not_said_beside_others() -> None:
    counts = [5, 5, 5, *[0] * 17]
    bins = Bins("fee", "number", edges=[0.0, 1.0, 2.5, 9.0], counts=counts)
    assert rows_where(bins, [0, 1, MISSING, UNSEEN]) == "fee is from 0 to 2.5"
    assert rows_where(bins, [UNSEEN]) == "fee is never seen in training"
    assert rows_where(replace_counts(bins, MISSING), [0, MISSING]) == "fee is from 0 to 1 or missing"


def replace_counts(bins: Bins, cell: int) -> Bins:
    counts = [3 if place == cell else count for place, count in enumerate(bins.counts)]
    return Bins(bins.name, bins.kind, edges=bins.edges, counts=counts)


def test_rows_of_a_declared_word_are_said_as_a_condition(shop: Any) -> None:
    case = shop.case(shop.rows(ROWS, 5))
    usual, now = case.past.totals.by_leaf.sum(axis=(0, 1)), case.graded.sum(axis=(0, 1))
    words = Declared([Word("desk", "north", int(usual[0]) // 2, int(usual[1]) // 2)])
    half = np.array([[now[0] // 2, 900 * (now[0] // 2)]])
    graded = case.graded.copy()
    graded[..., 1] += 450 * graded[..., 0]  # and so has the whole
    other = replace(case, past=replace(case.past, declared=words), declared=half, graded=graded, found=None, pairs=None)
    (found,) = slicing._declared(other)
    assert found.says == "desk is 'north'"
    assert found.clear > 4
    assert found.carries > 0
    assert found.rows == pytest.approx(0.5, abs=0.01)
