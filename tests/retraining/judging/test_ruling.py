"""On, wait or given up: each case by what is known of a challenger and how long it stands there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outlast.retraining.judging.ruling import Terms, rule
from outlast.retraining.judging.told import Mean, Readout, Side

DAY = timedelta(days=1)
TERMS = Terms(margin=1.0, least=DAY, patience=14 * DAY)
SIDE = Side(500, 400, 3.0, 0)
FOUND = Readout(
    "late", 1, 2, "shadow", datetime(2024, 1, 1, tzinfo=UTC), "EUR a decision", SIDE, SIDE, 500, 0.97, 400, 400,
    None, None, None, 1.0,
)  # fmt: skip


def gain(value: float, low: float, high: float) -> Mean:
    return Mean(value, low, high, 400, 1.2)


@pytest.mark.parametrize(
    ("stage", "days", "of", "kind", "says"),
    [
        ("shadow", 0.5, None, "wait", "as shadow for 12h of 1d"),
        ("shadow", 1, None, "on", "nothing speaks against it in 500 answers beside: labels are not here yet"),
        ("shadow", 1, gain(-0.2, -3, 3), "on", "nothing speaks against it"),
        ("shadow", 1, gain(-2, -5, 1), "wait", "not shown to lose no more than 1: -2 EUR a decision (-5 to +1"),
        ("shadow", 0.1, gain(-3, -5, -1), "give up", "worth less: -3 EUR a decision (-5 to -1, 400 known outcomes)"),
        ("canary", 1, None, "wait", "no outcome of 400 matured answers is known yet"),
        ("canary", 0.5, gain(2, 1, 3), "wait", "as canary for 12h of 1d"),
        ("canary", 1, gain(2, 1, 3), "on", "worth more: +2"),
        ("canary", 1, gain(-0.3, -0.9, 0.3), "on", "worth no more than 1 less"),
        ("canary", 1, gain(-0.5, -0.9, -0.1), "on", "worth no more than 1 less"),
        ("canary", 13, gain(0.5, -2, 3), "wait", "not shown to lose no more than 1"),
        (
            "canary",
            14,
            gain(0.5, -2, 3),
            "on",
            "by the held-out rows of its verdict (500 questions answered by both), since outcomes do not speak",
        ),
        ("canary", 14, gain(-1.5, -4, 1), "give up", "patience is over, and outcomes so far speak against it"),
        (
            "canary",
            14,
            None,
            "on",
            "by the held-out rows of its verdict (500 questions answered by both), since no outcome is known",
        ),
    ],
)
def test_what_becomes_of_a_challenger(stage: str, days: float, of: Mean | None, kind: str, says: str) -> None:
    found = rule(replace(FOUND, stage=stage, gain=of), TERMS, stage=days * DAY, whole=days * DAY)
    assert found.kind == kind, found.sentence
    assert says in found.sentence


def test_a_challenger_that_fails_or_cannot_be_asked_is_given_up_at_once() -> None:
    failing = replace(FOUND, gain=gain(2, 1, 3), failing=Mean(0.2, 0.1, 0.3, 500, 1.0))
    assert rule(failing, TERMS, stage=DAY, whole=DAY).sentence == (
        "its model fails to answer 20.0% more often (10.0% to 30.0%), and 2% is put up with"
    )
    late = replace(FOUND, gain=gain(2, 1, 3), late=Mean(0.2, 0.1, 0.3, 500, 1.0))
    assert rule(late, TERMS, stage=DAY, whole=DAY).sentence == (
        "it answers later than promised 20.0% more often (10.0% to 30.0%), and 2% is put up with"
    )
    found = rule(replace(FOUND, trouble="s1 could not load it: no memory"), TERMS, stage=DAY / 9, whole=DAY / 9)
    assert (found.kind, found.sentence) == ("give up", "s1 could not load it: no memory")


def test_a_shadow_that_is_expected_to_lose_waits_for_outcomes() -> None:
    found = rule(replace(FOUND, estimated=-1.5), TERMS, stage=DAY, whole=DAY)
    assert (found.kind, found.sentence) == (
        "wait",
        "no outcome is known yet, and it is expected to lose: -1.5 EUR a decision",
    )
    assert rule(replace(FOUND, estimated=-0.5), TERMS, stage=DAY, whole=DAY).kind == "on"


def test_patience_lets_in_nothing_that_did_not_stand_beside() -> None:
    unasked = replace(FOUND, pairs=99, stage="canary")
    waits = rule(unasked, TERMS, stage=14 * DAY, whole=14 * DAY)
    assert (waits.kind, waits.sentence) == (
        "wait",
        "patience is over, but it answered 99 of the 100 questions beside what is live that it takes",
    )
    assert rule(replace(unasked, pairs=100), TERMS, stage=14 * DAY, whole=14 * DAY).kind == "on"
    ends = rule(unasked, TERMS, stage=28 * DAY, whole=28 * DAY)
    assert (ends.kind, "a fresher one may follow" in ends.sentence) == ("give up", True)


def test_patience_lets_nothing_in_that_decides_otherwise_or_whose_data_are_broken() -> None:
    canary = replace(FOUND, stage="canary", gain=gain(0, -8, 8))
    apart = rule(replace(canary, agreement=0.3), TERMS, stage=14 * DAY, whole=14 * DAY)
    assert (apart.kind, "both decided alike in 30% of 500 questions" in apart.sentence) == ("give up", True)
    assert rule(replace(canary, agreement=None), TERMS, stage=14 * DAY, whole=14 * DAY).kind == "on"
    waits = rule(canary, TERMS, stage=14 * DAY, whole=14 * DAY, broken="incident 1: orders is stale")
    assert (waits.kind, waits.sentence) == (
        "wait",
        "patience is over, but the model's data are broken: incident 1: orders is stale",
    )
    shown = replace(canary, gain=gain(2, 1, 3))
    assert rule(shown, TERMS, stage=14 * DAY, whole=14 * DAY, broken="incident 1").kind == "on", (
        "outcomes have shown it"
    )


def test_rows_of_tables_are_asked_beside_nothing_so_that_patience_decides() -> None:
    tables = replace(FOUND, pairs=0, agreement=None, tables=True)
    assert rule(tables, TERMS, stage=2 * DAY, whole=2 * DAY).kind == "wait"
    lets = rule(tables, TERMS, stage=14 * DAY, whole=14 * DAY)
    assert (lets.kind, "rows of tables are asked beside nothing" in lets.sentence) == ("on", True)
    assert rule(tables, TERMS, stage=14 * DAY, whole=14 * DAY, broken="incident 1").kind == "wait"
