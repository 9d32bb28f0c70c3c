"""A version whose bundle keeps no past: its newer answers are held against its own older ones."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from watched import DAY, MODEL, START, made, predict, through_the_day

from outlast.journal import journal
from outlast.monitoring.checking import alone
from outlast.monitoring.counting.checks import Check
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.sums import Moments
from outlast.monitoring.detecting.adaptive import Window
from outlast.monitoring.incidents.incident import Found
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.subject import Subject, open_subject
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch

TURNS = 5
HOUR = timedelta(hours=1)


def lived(folder: Path, *, every: timedelta, turned: str = "turned", days: int = 10) -> Workspace:
    """Right as often as its scores say for five days, and then otherwise."""
    workspace, origin = made(folder)
    for day in range(days):
        times = through_the_day(400, START + day * DAY)
        predict(workspace, origin, times, seed=10 + day, labels="fair" if day < TURNS else turned)
    journal.seal(workspace)
    for tick in range(1, days * DAY // every + 1):
        watch(Shared(workspace, START + tick * every), MODEL, lambda: None)
    return workspace


def errors(workspace: Workspace) -> list[Found]:
    return [one for incident in incidents(workspace.ledger, MODEL) for one in incident.found if one.kind == "error"]


def test_errors_that_rise_are_told_with_what_is_not_known(tmp_path: Path) -> None:
    (found,) = errors(lived(tmp_path, every=2 * DAY))
    assert "there is no reference" in found.sentence
    assert "of answers are wrong since 2013-07-08" in found.sentence  # two days later than decided: matured


def test_nothing_is_told_where_nothing_changes(tmp_path: Path) -> None:
    assert errors(lived(tmp_path, every=5 * DAY, turned="fair")) == []


def test_each_check_is_taken_once_however_often_one_ticks(tmp_path: Path) -> None:
    often, seldom = (
        lived(tmp_path / name, every=every, days=4) for name, every in (("often", DAY), ("seldom", 4 * DAY))
    )
    assert kept(often) == kept(seldom)


def kept(workspace: Workspace) -> Window:
    with workspace.ledger.read() as connection:
        window = alone.state_of(connection, open_subject(workspace, MODEL, 1))
    assert window is not None
    assert window.rows > 0
    return window


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return open_subject(made(tmp_path)[0], MODEL, 1)


def check(hour: int, right: list[float]) -> Check:
    counts = Counts.of((), len(right), {}, {}, {"accuracy": Moments.of(right)})
    return Check(MODEL, START + hour * HOUR, {(1, ""): counts})


def test_errors_that_fall_are_no_news_but_the_new_normal(subject: Subject) -> None:
    rng, window, found = np.random.default_rng(1), Window(), []
    for hour in range(400):
        right = rng.random(50) < (0.6 if hour < 200 else 0.95 if hour < 300 else 0.6)
        window, now = alone.judged(subject, check(hour, right.astype(float).tolist()), window)
        assert window is not None
        found += [(hour, one) for one in now]
    hour, one = found[0]
    assert 300 <= hour <= 340
    assert "4.6% before" in one.sentence
    assert one.severity == "page"
