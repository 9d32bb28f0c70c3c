"""Facts of the entities in question, read once, give what the whole history gives, and what each question saw."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from outlast.features.compiled import compile_lookup
from outlast.features.facts import RETRACTED
from outlast.features.offline import look_up
from outlast.journal.history import ARRIVED
from outlast.monitoring import asof
from outlast.monitoring.asof import AsOf, Seen
from outlast.project.declare import Source, latest, window
from outlast.types import micros

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
LANDINGS = Source("landings", "x.csv", key=["id", "leg"], time="landed", lag="5m")
MEASURES = {"mean": pl.col("delay").mean(), "n": pl.len(), "most": pl.col("delay").max()}
LOOKUPS = [
    window(LANDINGS, by="plane", over=["6h", "1d"], **MEASURES),
    window(LANDINGS, by="plane", over="2d", odd=(pl.col("delay") * 2).median(), newest=pl.col("delay").last()),
    latest(LANDINGS, by="plane", last="delay"),
    latest(LANDINGS, by=["plane", "leg"], young="delay", max_age="8h"),
]


def history(seed: int, *, withdrawn: bool = True) -> pl.DataFrame:
    """Three days of facts of few keys, so that many are corrected; some withdrawn, some at their location only."""
    rng, n = np.random.default_rng(seed), 600
    known = np.sort(rng.integers(0, 72 * HOUR, n))
    at = [START + timedelta(microseconds=int(us)) for us in known]
    arrived = known + rng.choice([0, 30_000_000, 9 * HOUR], n) + micros(START)
    frame = pl.DataFrame(
        {
            "id": rng.integers(0, 150, n),
            "leg": rng.choice(["out", "back"], n),
            "plane": pl.Series(rng.choice(["a", "b", "c", "-"], n)).replace("-", None),
            "landed": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "delay": rng.normal(0, 10, n),
            ARRIVED: pl.Series(np.where(rng.random(n) < 0.3, -1, arrived), dtype=pl.Int64).replace(-1, None),
        }
    ).sort(ARRIVED, nulls_last=False, maintain_order=True)
    gone = pl.Series(rng.random(n) < 0.1) & frame[ARRIVED].is_not_null()
    return frame.with_columns(gone.alias(RETRACTED)) if withdrawn else frame


def questions(seed: int, n: int) -> tuple[pl.DataFrame, pl.Series]:
    rng = np.random.default_rng(seed + 100)
    plane = pl.Series(rng.choice(["a", "b", "z", "-"], n)).replace("-", None)
    asks = pl.DataFrame({"plane": plane, "leg": rng.choice(["out", "back"], n)})
    return asks, pl.Series(micros(START) + rng.integers(24 * HOUR, 80 * HOUR, n))


def over(frame: pl.DataFrame) -> AsOf:
    schema = {name: dtype for name, dtype in frame.schema.items() if not name.startswith("__")}
    sources = SimpleNamespace(named=lambda _: LANDINGS, dated=lambda *_, **__: frame.lazy())
    return AsOf(sources, [compile_lookup(lookup, schema) for lookup in LOOKUPS], lambda: None)  # type: ignore[arg-type]


def by_hand(frame: pl.DataFrame, asks: pl.DataFrame, at: pl.Series) -> list[pl.DataFrame]:
    schema = {name: dtype for name, dtype in frame.schema.items() if not name.startswith("__")}
    return [look_up(compile_lookup(lookup, schema), frame.lazy(), asks, at) for lookup in LOOKUPS]


@pytest.mark.parametrize("seed", range(6))
def test_the_facts_in_question_give_what_the_whole_history_gives(seed: int) -> None:
    frame, (asks, at) = history(seed, withdrawn=seed % 2 == 0), questions(seed, 40)
    for found, expected in zip(over(frame).today(asks, at), by_hand(frame, asks, at), strict=True):
        assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("at_once", [asof.AT_ONCE, 50])
@pytest.mark.parametrize("seed", range(3))
def test_each_question_gets_what_it_saw(seed: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asof, "AT_ONCE", at_once)
    frame, (asks, at) = history(seed, withdrawn=seed % 2 == 0), questions(seed, 12)
    seen = [Seen(i, int(us) + i * HOUR, None if i % 3 else int(us) - 10 * HOUR) for i, us in enumerate(at)]
    facts = over(frame)
    facts.today(asks, at)
    found = facts.then(seen)(asks, at)
    known = frame["landed"].dt.epoch("us") + 300_000_000
    for one in seen:
        lying = frame[ARRIVED].is_null() & (known <= one.held if one.held is not None else True)
        there = frame.filter((frame[ARRIVED] <= one.arrived).fill_null(False) | lying)
        row = asks[[one.question, one.question]]
        for mine, expected in zip(found, by_hand(there, row, at[[one.question] * 2]), strict=True):
            assert_frame_equal(mine[[one.question]], expected[:1], check_exact=True)


def test_a_single_question_that_comes_twice_sees_the_same_twice() -> None:
    frame, (asks, at) = history(1), questions(1, 1)
    facts = over(frame)
    facts.today(asks, at)
    for one in facts.then([Seen(0, int(at[0]))])(asks[[0, 0]], at[[0, 0]]):
        assert one.height == 2
        assert_frame_equal(one[:1], one[1:])


def test_feeds_that_the_clocks_do_not_tell_are_tried() -> None:
    at = micros(START) + 30 * HOUR
    rows = [("1", at - HOUR, at + 20_000_000), ("2", at - HOUR, at + 2 * HOUR), ("3", at - 3 * HOUR, None)]
    frame = pl.DataFrame(
        {
            "id": [int(name) for name, _, _ in rows], "leg": ["out"] * 3, "plane": ["a"] * 3, "delay": [1.0, 2.0, 3.0],
            "landed": pl.Series([us for _, us, _ in rows]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            ARRIVED: pl.Series([came for _, _, came in rows], dtype=pl.Int64),
        }
    )  # fmt: skip
    facts = over(frame)
    facts.today(pl.DataFrame({"plane": ["a"], "leg": ["out"]}), pl.Series([at]))
    assert facts.weights == [3 * len(LOOKUPS)]
    lag = 300_000_000
    assert facts.others(0, at, Seen(0, at, held=at - 2 * HOUR)) == [
        *(Seen(0, at + 20_000_000 + way, held) for way in (-1, 0) for held in (None, at - 2 * HOUR)),
    ]
    assert facts.others(0, at, Seen(0, at + HOUR)) == [Seen(0, at + HOUR, at - 3 * HOUR + lag - 1)]


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Datetime("us", "UTC"), pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Datetime("ns"),
        pl.Datetime("us", "America/New_York"),
    ],
    ids=str,
)  # fmt: skip
def test_a_time_of_any_type_leaves_the_same_facts_in_reach(dtype: pl.Datetime) -> None:
    """Of whole seconds, which the coarsest type tells apart too."""
    frame, (asks, at) = history(4, withdrawn=False), questions(4, 40)
    whole = frame.with_columns(pl.col("landed").dt.truncate("1s"))
    kept = whole.with_columns(pl.col("landed").dt.replace_time_zone(None) if not dtype.time_zone else pl.col("landed"))
    kept = kept.with_columns(pl.col("landed").cast(dtype))
    late = at + 20 * HOUR
    for one, other in zip(over(whole).today(asks, late), over(kept).today(asks, late), strict=True):
        assert_frame_equal(one, other, check_exact=True)
