"""Where a feature came from: the facts that counted, and why the others did not."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outlast.errors import NotFound
from outlast.project.loader import load_project
from outlast.training.explain import Explained, explain
from outlast.types import utc


def of(folder: Path, key: str = "700", as_of: datetime | None = None) -> Explained:
    return explain(load_project(folder), key, as_of)


def deliveries(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "data" / "deliveries.csv", try_parse_dates=True)


def test_a_window_is_the_mean_of_the_facts_that_count(orders: Path) -> None:
    found = of(orders)
    window, latest = found.lookups
    inside = [f for f in window.facts if f.state.startswith("counts")]
    day = [f.values["late"] for f in inside if f.state == "counts"]
    assert inside
    assert window.features["late_3d"] == pytest.approx(sum(f.values["late"] for f in inside) / len(inside))
    assert window.features["late_1d"] == pytest.approx(sum(day) / len(day))
    (newest,) = [f for f in latest.facts if f.state == "counts"]
    assert latest.features == {"last_late": newest.values["late"]}
    assert found.functions == {"hour": found.asked_at.hour}
    assert (window.source, window.entity) == ("deliveries", found.asks["shop"])


def test_a_count_of_facts_reads_nothing_of_them(orders: Path) -> None:
    model = (orders / "model.py").read_text()
    (orders / "model.py").write_text(model.replace('over=["1d", "3d"], late', 'over=["1d", "3d"], n=pl.len(), late'))
    counted = of(orders).lookups[0]
    assert counted.features["n_1d"] > 0
    assert {name for fact in counted.facts for name in fact.values} == {"late"}


def test_every_other_fact_says_why_it_does_not_count(orders: Path) -> None:
    found = of(orders)
    at = found.as_of
    for fact in found.lookups[0].facts:
        known = fact.known
        told = "too late" if known >= at else "too old" if known < at - timedelta(days=3) else "counts"
        assert fact.state.startswith(told)
    states = {f.state for f in found.lookups[1].facts}
    assert {"counts", "older than the newest", "too late", "too old"} <= states
    assert sum(f.state == "too late" for f in found.lookups[1].facts) == 5
    assert found.lookups[1].later > 100


@pytest.mark.parametrize("bound", ["", ', max_age="12h"'])
def test_of_so_many_facts_the_newest_that_stand_count(orders: Path, bound: str) -> None:
    model = (orders / "model.py").read_text()
    (orders / "model.py").write_text(model.replace('over=["1d", "3d"], late', f'over="6h", last=[3, 10]{bound}, late'))
    told = deliveries(orders)
    moved = told.gather_every(4).with_columns(pl.col("delivered_at").dt.offset_by("10m"), shop=pl.lit("nowhere"))
    pl.concat([told, moved]).write_csv(orders / "data" / "deliveries.csv")
    looked = of(orders).lookups[0]
    standing = [f for f in looked.facts if f.state != "too late" and not f.state.startswith("replaced")]
    assert len(standing) < len(looked.facts) - 5
    for span, count in (("last3", 3), ("last10", 10)):
        counting = [f.values["late"] for f in standing if f.state == "counts" or span in f.state]
        assert len(counting) == count if not bound else 0 < len(counting) <= count
        assert looked.features[f"late_{span}"] == pytest.approx(sum(counting) / len(counting))
    beyond = {f.state for f in standing[10:]}
    assert beyond <= ({"too old", "older than the newest 10"} if bound else {"older than the newest 10"})


def test_what_happened_last_counts_whenever_it_was_told(orders: Path) -> None:
    model = (orders / "model.py").read_text()
    model = model.replace('lag="5m")', 'lag="5m", event="happened_at")')
    (orders / "model.py").write_text(model.replace('over=["1d", "3d"], late', 'over="2h", last=3, max_age="4d", late'))
    told = deliveries(orders).sort("delivered_at").with_columns(n=pl.int_range(pl.len()))
    minutes = pl.col("n") * 997 % 5000 - 2000
    told = told.with_columns(happened_at=pl.col("delivered_at") - pl.duration(minutes=minutes))
    told.write_csv(orders / "data" / "deliveries.csv")
    ahead = told.filter(pl.col("happened_at") > pl.col("delivered_at").dt.offset_by("1h"), shop=of(orders).asks["shop"])
    found = of(orders, as_of=utc(ahead["delivered_at"][20]) + timedelta(minutes=10))
    window, latest = found.lookups
    facts = [f for f in window.facts if f.state not in ("too late", "has not happened yet", "too old")]
    assert any(f.state == "has not happened yet" for f in window.facts)
    by_event = sorted(facts, key=lambda f: f.values["happened_at"], reverse=True)
    assert by_event != facts, "in the order in which they were told"
    assert ["last3" in f.state or f.state == "counts" for f in by_event] == [True] * 3 + [False] * (len(facts) - 3)
    assert window.features["late_last3"] == pytest.approx(sum(f.values["late"] for f in by_event[:3]) / 3)
    assert [f.key for f in latest.facts if f.state == "counts"] == [by_event[0].key]


def test_a_moment_of_ones_own_sees_more(orders: Path) -> None:
    then = of(orders)
    later = of(orders, as_of=then.asked_at + timedelta(hours=6))
    assert later.asked_at == then.asked_at
    late = [f.key for f in then.lookups[0].facts if f.state == "too late"]
    counting = [f.key for f in later.lookups[0].facts if f.state == "counts"]
    assert set(late) & set(counting)


def test_a_corrected_fact_says_when_it_was_replaced(orders: Path) -> None:
    newest = next(f for f in of(orders).lookups[1].facts if f.state == "counts")
    told = deliveries(orders)
    again = told.filter(pl.col("order_id") == int(newest.key)).with_columns(
        pl.col("delivered_at").dt.offset_by("10m"), late=~pl.col("late")
    )
    pl.concat([told, again]).write_csv(orders / "data" / "deliveries.csv")
    seen = of(orders, as_of=utc(newest.known) + timedelta(minutes=11)).lookups[1]
    first, second = [f for f in seen.facts if f.key == newest.key][::-1]
    assert first.state == f"replaced or withdrawn at {newest.known + timedelta(minutes=10):%Y-%m-%d %H:%M:%S}"
    assert (second.state, second.values["late"]) == ("counts", not newest.values["late"])


def test_an_unknown_key_gets_the_nearest(orders: Path) -> None:
    with pytest.raises(NotFound, match=r"No question of 'orders' has the key 15000 \(order_id\): did you mean '1"):
        of(orders, "15000")
