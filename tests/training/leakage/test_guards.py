"""Real leaks put into a small honest project: each guard names the column and its figures, and honest data none."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.data.validation import Violation
from outlast.gates.checking import findings
from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.training.dataset import build_dataset, cutoff_of
from outlast.training.leakage.guards import suspicions
from outlast.training.run import train
from outlast.training.splitting import split_rows

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def suspected(folder: Path, most: int | None = None) -> dict[str, Violation]:
    """What is found, by rule."""
    project = load_project(folder)
    sources = Sources(project)
    dataset = build_dataset(project, sources, cutoff_of(project, NOW), most=most)
    found = suspicions(project, sources, dataset, split_rows(project, dataset, 0))
    return {one.rule: one for those in found.values() for one in those}


def edit(folder: Path, old: str, new: str, file: str = "model.py") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def rewrite(folder: Path, name: str, *columns: pl.Expr) -> None:
    place = folder / "data" / f"{name}.csv"
    pl.read_csv(place, try_parse_dates=True).with_columns(*columns).write_csv(place)


def with_outcome(folder: Path, paid: pl.Expr) -> None:
    """A column of the questions that was filled in when the outcome was known."""
    place = folder / "data" / "orders.csv"
    late = pl.read_csv(folder / "data" / "deliveries.csv").select("order_id", "late")
    pl.read_csv(place).join(late, on="order_id", how="left").with_columns(refund=paid).drop("late").write_csv(place)
    edit(folder, 'asks=orders["shop", ', 'asks=orders["refund", "shop", ')


def test_an_honest_project_is_under_no_suspicion(orders: Path) -> None:
    assert suspected(orders) == {}


def test_a_column_written_with_the_outcome_is_the_label_again(orders: Path) -> None:
    with_outcome(orders, pl.when("late").then(pl.col("weight") * 10))
    one = suspected(orders)["nearly the label"]
    assert (one.column, one.blocks) == ("refund", True)
    assert "Column 'refund' alone tells the label with an area under the curve of 1.0000 on 1," in one.sentence
    (orders / "outlast.toml").write_text(
        (orders / "outlast.toml").read_text() + '[data.orders]\nwarn_only = ["refund"]'
    )
    assert suspected(orders)["nearly the label"].blocks is False


def test_a_leak_stands_in_check_and_keeps_a_trained_version_from_going_live(orders: Path) -> None:
    with_outcome(orders, pl.when("late").then(pl.lit("yes")).otherwise(pl.lit("no")))
    (told,) = [one for one in findings(load_project(orders)) if one["column"] == "refund"]
    assert (told["where"], told["blocks"]) == ("orders", True)
    edit(orders, 'pl.col("weight"), ', 'pl.col("weight"), (pl.col("refund") == "yes").cast(pl.Int8), ', "shapes.py")
    summary = train(load_project(orders), by="ada", now=NOW).version.summary
    (kept,) = [v for v in summary["violations"] if v["column"] == "refund"]
    assert (kept["source"], kept["rule"], kept["blocks"]) == ("orders", "nearly the label", True)


def test_labels_known_before_their_question_are_dated_wrong(orders: Path) -> None:
    """Landings on a clock seven hours behind come before some of the orders they end."""
    rewrite(orders, "deliveries", pl.col("delivered_at").dt.offset_by("-7h"))
    one = suspected(orders)["known before asked"]
    assert (one.column, one.blocks) == ("delivered_at", True)
    assert "were known before their own question, key " in one.sentence
    assert one.count == pytest.approx(0.05 * 1500, rel=0.5)


def receipts(folder: Path, at: pl.Expr) -> None:
    """A source about the very orders that are asked about."""
    asked = pl.read_csv(folder / "data" / "orders.csv", try_parse_dates=True)
    told = pl.read_csv(folder / "data" / "deliveries.csv", try_parse_dates=True)
    told = told.join(asked.select("order_id", "ordered_at"), on="order_id")
    told.select("order_id", at=at, stamp="order_id").write_csv(folder / "data" / "receipts.csv")
    declared = 'receipts = Source("receipts", "data/receipts.csv", key="order_id", time="at")\n'
    edit(folder, "history = Features(", f"{declared}history = Features(")
    edit(folder, "features=[history,", 'features=[latest(receipts, "stamp", by="order_id"), history,')
    edit(folder, 'asks=orders["shop"', 'asks=orders["order_id", "shop"')


def test_a_fact_that_is_always_known_just_before_its_label_was_made_with_it(orders: Path) -> None:
    receipts(orders, pl.col("delivered_at").dt.offset_by("-20h"))
    one = suspected(orders)["known with the label"]
    assert one.column == "at"
    assert "always 20h5m before the label" in one.sentence


def test_a_few_facts_before_their_question_are_on_another_clock(orders: Path) -> None:
    receipts(orders, pl.col("delivered_at").dt.offset_by("-9h"))
    one = suspected(orders)["known before asked"]
    assert (one.column, one.blocks) == ("at", False)
    assert "known before the question about the same order_id was asked" in one.sentence


def test_facts_that_always_come_before_the_question_are_what_a_model_is_for(orders: Path) -> None:
    receipts(orders, pl.col("ordered_at").dt.offset_by("-3h"))
    assert suspected(orders) == {}


def test_a_random_split_of_data_with_time_is_named(orders: Path) -> None:
    edit(orders, "threads = 1", 'threads = 1\nsplit = "random"', "outlast.toml")
    one = suspected(orders)["random split"]
    assert one.column == "ordered_at"
    assert "spans 8" in one.sentence


def copied(folder: Path, *, keys: bool) -> None:
    """Every tenth order again, a month later, with its delivery."""
    for name, time in (("orders", "ordered_at"), ("deliveries", "delivered_at")):
        place = folder / "data" / f"{name}.csv"
        rows = pl.read_csv(place, try_parse_dates=True)
        again = rows.filter(pl.col("order_id") % 10 == 0).with_columns(pl.col(time).dt.offset_by("30d"))
        again = again if keys else again.with_columns(pl.col("order_id") + 100_000)
        pl.concat([rows, again]).write_csv(place)


def test_a_key_on_both_sides_of_the_split_is_named(orders: Path) -> None:
    copied(orders, keys=True)
    one = suspected(orders)["keys across the split"]
    assert one.column == "order_id"
    assert "whose key is among the rows to train" in one.sentence


def test_rows_copied_under_new_keys_are_named(orders: Path) -> None:
    rewrite(orders, "orders", pl.col("weight") + pl.col("order_id") / 1000)
    copied(orders, keys=False)
    one = suspected(orders)["questions across the split"]
    assert one.column == "shop, weight, coupon"


def test_a_sample_tells_the_same(orders: Path) -> None:
    with_outcome(orders, pl.when("late").then(pl.lit(1)).otherwise(pl.lit(0)))
    assert suspected(orders, most=400)["nearly the label"].blocks
