"""Labels that come otherwise than before: told once a day is over, and only beyond what days differ by."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from made import DAY, START, place

from outlast.monitoring.checking import labels
from outlast.monitoring.checking.labels import Days
from outlast.monitoring.counting.checks import Check
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.increments import ARRIVALS
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject, open_subject

HOUR = timedelta(hours=1)
OF = "of 500 decisions that matured on 2013-05-26"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    workspace, _ = place(tmp_path_factory.mktemp("labels"), {"label": {"maturity": "2d"}})
    return open_subject(workspace, "late", 1)


def through(subject: Subject, days: list[tuple[int, int, int, int]]) -> tuple[list[Finding], Days]:
    """Days of (matured, with a label, with one by half of the time, labels that came), in checks of six hours."""
    state, found = Days(), []
    for number, sums in enumerate(days):
        for part in range(4):
            due, here, soon, came = (total // 4 + (total % 4 if not part else 0) for total in sums)
            given = {
                (1, ARRIVALS): Counts.of((), 0, {}, {"due": due, "here": here, "soon": soon}),
                (1, ""): Counts.of((), 0, {}, {"early": came + 5, "labelled": -5}),
            }
            at = START + number * DAY + (6 * part + 6) * HOUR
            state, now = labels.judged(subject, Check("late", at, given), state)
            found += now
    return found, state


def calm(days: int, seed: int = 1) -> list[tuple[int, int, int, int]]:
    """Days that differ by more than chance."""
    rng = np.random.default_rng(seed)
    share = rng.beta(90, 10, days)
    return [(500, int(s * 500), int(s * 400), 500) for s in share]


def test_nothing_is_said_where_days_only_differ_as_they_did(subject: Subject) -> None:
    assert sum(len(through(subject, calm(60, seed))[0]) for seed in range(20)) == 0


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ((500, 100, 50, 500), f"labels come later, or not at all: {OF}, 20.0% had a label after 2d, on the 20 days"),
        ((500, 450, 60, 500), f"labels come later: {OF}, 12.0% had a label after 1d, on the 20 days before"),
        ((500, 450, 495, 500), f"labels come sooner: {OF}, 99.0% had a label after 1d, on the 20 days before"),
        ((500, 450, 360, 0), "no label came on 2013-05-26; on each of the 7 days before about 500 came"),
    ],
)  # fmt: skip
def test_a_day_that_is_otherwise_is_one_ticket(subject: Subject, day: tuple[int, int, int, int], said: str) -> None:
    (found,), _ = through(subject, [*calm(20), day, *calm(1)])
    assert found.sentence.startswith(said)
    assert (found.kind, found.severity, found.since) == ("label-arrival", "ticket", START + 20 * DAY)


def test_a_weekend_without_labels_is_usual(subject: Subject) -> None:
    week = [*calm(5), (500, 450, 360, 0), (500, 450, 360, 0)]
    assert through(subject, week * 4)[0] == []


def test_few_days_and_few_decisions_say_nothing(subject: Subject) -> None:
    assert through(subject, [*calm(6), (500, 0, 0, 0), *calm(1)])[0] == []
    assert through(subject, [*calm(10), (49, 0, 0, 5), *calm(1)])[0] == []


def test_four_weeks_are_remembered(subject: Subject, tmp_path: Path) -> None:
    _, state = through(subject, calm(60))
    assert len(state.days) == labels.MEMORY + 1
    workspace, _ = place(tmp_path)
    with workspace.ledger.write() as connection:
        assert labels.state_of(connection, subject) == Days()
        for kept in (Days(), state):
            labels.keep(connection, subject, kept, START)
            assert labels.state_of(connection, subject) == kept
