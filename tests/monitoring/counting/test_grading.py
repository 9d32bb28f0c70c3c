"""Counts against a reference that goes row by row, and the properties that let windows and replicas be added."""

import math
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from graded_rows import MATURITY, NOW, PAYOFF, PROFILE, SCHEMA, one, terms
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.journal.spelling import to_text, value_text
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.grading import count
from outlast.monitoring.figures import figures

hours = st.integers(1, 24 * 8)
row = st.fixed_dictionaries(
    {
        "decide_at": hours.map(lambda h: NOW - timedelta(hours=h)),
        "rung": st.sampled_from(["full", "full", "full", "default", "refused"]),
        "score": st.floats(0, 1),
        "truth": st.sampled_from([True, False, None]),
        "age": st.integers(0, 24 * 40),
        "fare": st.sampled_from([80.0, 120.0, None]),
        "warned": st.booleans(),
        "cells": st.tuples(st.integers(0, 19), st.integers(0, 19)).map(bytes) | st.just(b""),
    }
)
rows_of = st.lists(row, max_size=25)


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    kept = [
        (
            r["decide_at"], r["rung"], None if r["rung"] == "refused" else r["score"], None,
            None if r["rung"] == "refused" else "act" if r["score"] > 0.2 else "wait",
            ["unseen"] if r["warned"] else [], r["cells"], to_text({"fare": r["fare"]}), to_text({}),
            None if r["truth"] is None else value_text(r["truth"]),
            None if r["truth"] is None else r["decide_at"] + timedelta(hours=r["age"]),
        )
        for r in rows
    ]  # fmt: skip
    return pl.DataFrame(kept, schema=SCHEMA, orient="row")


def plainly(rows: list[dict[str, Any]], silence: str) -> dict[str, float]:
    """The reference: one row at a time, nothing clever."""
    sums = dict.fromkeys(
        ("matured", "labelled", "early", "assumed", "value", "gain", "brier", "log_loss", "accuracy", "n"), 0.0
    )
    for r in rows:
        old = r["decide_at"] + MATURITY <= NOW
        known = r["truth"] is not None and r["decide_at"] + timedelta(hours=r["age"]) <= NOW
        sums["matured"] += old
        sums["labelled"] += old and known
        sums["early"] += known and not old
        sums["assumed"] += old and not known and silence == "no"
        if not old or not (known or silence == "no") or r["rung"] == "refused":
            continue
        yes = bool(r["truth"]) if known else False
        worth = 0.0 if r["score"] <= 0.2 else (r["fare"] or 0.0) if yes else -25.0
        sums["value"] += worth
        sums["gain"] += worth
        if r["rung"] == "full":
            p = min(max(r["score"], 1e-15), 1 - 1e-15)
            sums["n"] += 1
            sums["brier"] += (r["score"] - yes) ** 2
            sums["log_loss"] -= math.log(p) if yes else math.log1p(-p)
            sums["accuracy"] += (r["score"] > 0.5) == yes
    return sums


@settings(deadline=None)
@given(rows_of, st.sampled_from(["unknown", "no"]))
def test_counts_are_those_of_a_plain_loop(rows: list[dict[str, Any]], silence: str) -> None:
    found, expected = count(frame(rows), terms(silence), NOW), plainly(rows, silence)
    for name in ("matured", "labelled", "early", "assumed"):
        assert found.tally(name) == expected[name], name
    for name in ("value", "gain", "brier", "log_loss", "accuracy"):
        assert found.moment(name).sum == pytest.approx(expected[name]), name
    assert found.moment("brier").n == expected["n"] == found.graded.sum()
    assert found.rows == len(rows)
    assert found.cells.sum() == 2 * sum(r["cells"] != b"" for r in rows)
    assert found.tally("uncounted") == sum(r["cells"] == b"" for r in rows)
    assert found.tally("warned") == sum(r["warned"] for r in rows)


@settings(deadline=None)
@given(rows_of, st.integers(0, 25), st.sampled_from(["unknown", "no"]))
def test_two_halves_are_the_whole_to_the_bit(rows: list[dict[str, Any]], cut: int, silence: str) -> None:
    whole = count(frame(rows), terms(silence), NOW)
    parts = count(frame(rows[:cut]), terms(silence), NOW) + count(frame(rows[cut:]), terms(silence), NOW)
    assert parts.to_json() == whole.to_json()
    assert (Counts.none(PROFILE.names) + whole).to_json() == whole.to_json()


@settings(deadline=None)
@given(rows_of, st.randoms(use_true_random=False))
def test_order_changes_nothing_to_the_bit(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert count(frame(shuffled), terms(), NOW).to_json() == count(frame(rows), terms(), NOW).to_json()


@settings(deadline=None)
@given(rows_of)
def test_stored_counts_come_back_and_figures_keep_their_bounds(rows: list[dict[str, Any]]) -> None:
    found = count(frame(rows), terms(), NOW)
    assert Counts.from_json(found.to_json()) == found
    shown = figures(found, PROFILE, "binary")
    every = [shown.coverage, *shown.metrics.values(), shown.value, shown.value_per_decision, shown.gain_per_decision]
    for figure in every:
        assert (figure.value is None) == (figure.reason is not None)
    for figure in (shown.coverage, *(rate for column in shown.columns for rate in column.rates.values())):
        if figure.value is not None:
            assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert all(column.psi.value is None for column in shown.columns)  # too few rows to say


def test_numbers_are_missed_by_their_distance_and_priced_by_it() -> None:
    counts = count(one(score=12.0, decision="12.0", value="9.5"), terms(task="regression", per_unit_error=-2.0), NOW)
    assert counts.moment("mae").sum == 2.5
    assert counts.moment("value").sum == -5.0
    assert counts.graded.sum(axis=0).tolist() == [1, 0]  # the truth lies below the prediction
    shown = figures(counts, PROFILE, "regression")
    assert shown.metrics["rmse"].value == 2.5
    assert shown.metrics["r2"].reason == "all labels are equal"
    assert shown.gain_per_decision.value is None


def test_classes_are_right_or_wrong_and_unlikely_ones_cost() -> None:
    payoff = {"a": {"a": 1, "b": 0}, "b": {"a": -3, "b": 1}}
    rows = one(scores='{"a":0.25,"b":0.75}', decision="b", value='"a"')
    counts = count(rows, terms(task="multiclass", payoff=payoff, baseline="a"), NOW)
    assert counts.moment("accuracy").mean == 0.0
    assert counts.moment("log_loss").mean == pytest.approx(-math.log(0.25))
    assert (counts.moment("value").sum, counts.moment("gain").sum) == (-3.0, -4.0)


def test_a_price_that_was_not_kept_is_no_price_and_says_so() -> None:
    counts = count(one(score=0.9, decision="act", value="true"), terms(), NOW)
    assert counts.tally("unpriced") == 1
    shown = figures(counts, PROFILE, "binary")
    assert shown.value.value is None
    assert "1 decisions have no price" in str(shown.value.reason)


def test_a_label_nobody_can_read_is_counted_as_such_and_not_as_no() -> None:
    counts = count(one(score=0.9, decision="act", value='"maybe"', asks='{"fare":1}'), terms(), NOW)
    assert (counts.tally("unreadable"), counts.tally("labelled"), counts.graded.sum()) == (1, 0, 0)


def test_a_baseline_may_be_a_condition_over_columns() -> None:
    rows = one(score=0.9, decision="act", value="false", asks='{"fare":80}', features='{"wind":30}')
    counts = count(rows, terms(payoff=PAYOFF, baseline="wind > 25"), NOW)
    assert (counts.moment("value").sum, counts.moment("gain").sum) == (-25.0, 0.0)
    other = count(rows, terms(payoff=PAYOFF, baseline="fog > 25"), NOW)
    assert (other.moment("value").n, other.moment("gain").n) == (1, 0)


def test_coverage_says_for_which_scores_labels_come() -> None:
    told = [one(score=score, decision="act", value="true", asks='{"fare":1}') for score in (0.8, 0.9)]
    silent = [one(score=score, decision="act", known_at=None) for score in (0.1, 0.2, 0.3)]
    young = one(score=0.5, decision="act", decide_at=NOW, known_at=None)
    shown = figures(count(pl.concat([*told, *silent, young]), terms(), NOW), PROFILE, "binary")
    assert (shown.coverage.value, shown.bias.n) == (0.4, 5)
    assert shown.bias.value == pytest.approx(0.85 - 0.2)
    assert shown.bias.low < shown.bias.value < shown.bias.high
    by_score = [(figure.value, figure.n) for figure in shown.coverage_by_score if figure.n]
    assert sum(n for _, n in by_score) == 5
    assert by_score[0][0] == 0.0
    assert by_score[-1][0] == 1.0
    assert (
        figures(count(told[0], terms(), NOW), PROFILE, "binary").bias.reason == "every matured prediction has a label"
    )
