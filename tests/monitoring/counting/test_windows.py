"""Counting windows from the journal: every prediction once, again only where something changed."""

from datetime import timedelta
from pathlib import Path

import pytest
from watched import DAY, HOUR, MODEL, START, made, predict, through_the_day

from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.monitoring.counting.counts import merged
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.counting.windows import pending, stored
from outlast.monitoring.figures import figures
from outlast.monitoring.subject import open_subject
from outlast.types import micros


def count(workspace, now, cadence=HOUR):
    seal(workspace)
    return refresh(
        workspace, MODEL, cadence, now=now, subject=lambda v: open_subject(workspace, MODEL, v), hold=lambda: None
    )


@pytest.fixture
def watched(tmp_path: Path):
    return made(tmp_path)


def test_every_prediction_is_in_the_window_it_was_decided_in(watched) -> None:
    workspace, origin = watched
    predict(workspace, origin, through_the_day(240))
    assert count(workspace, START + DAY) == 24
    windows = stored(workspace.ledger, MODEL)
    assert [w.starts_at for w in windows] == [START + hour * HOUR for hour in range(24)]
    assert [w.counts.rows for w in windows] == [10] * 24
    assert all(w.counts.cells.sum(axis=1).tolist() == [10, 10] for w in windows)


def test_counting_again_changes_nothing_before_and_after_sealing(watched) -> None:
    workspace, origin = watched
    predict(workspace, origin, through_the_day(240))
    count(workspace, START + DAY)
    before = stored(workspace.ledger, MODEL)
    assert count(workspace, START + DAY) == 0
    Journal(workspace).seal()
    assert count(workspace, START + DAY) == 0
    assert [w.counts for w in stored(workspace.ledger, MODEL)] == [w.counts for w in before]


def test_hours_add_up_to_the_day(watched) -> None:
    workspace, origin = watched
    predict(workspace, origin, through_the_day(300))
    count(workspace, START + 4 * DAY)
    hours = merged(w.counts for w in stored(workspace.ledger, MODEL))
    count(workspace, START + 4 * DAY, cadence=DAY)
    (day,) = stored(workspace.ledger, MODEL)
    assert day.counts == hours
    assert day.counts.rows == 300


def test_labels_count_only_when_their_predictions_are_matured(watched) -> None:
    workspace, origin = watched
    predict(workspace, origin, through_the_day(240))
    count(workspace, START + DAY)
    early = merged(w.counts for w in stored(workspace.ledger, MODEL))
    assert early is not None
    shown = figures(early, origin.profile, "binary")
    assert (shown.coverage.value, shown.coverage.reason) == (None, "no prediction is matured yet")
    assert shown.early == early.labels.sum() == 220  # those of the last two hours are not known yet
    assert shown.value.value is None
    assert shown.metrics["roc_auc"].value is None

    count(workspace, START + 2 * DAY + 12 * HOUR)  # half of the day is older than two days, nothing new arrived
    half = merged(w.counts for w in stored(workspace.ledger, MODEL))
    assert half is not None
    assert (half.tally("matured"), half.tally("labelled"), half.tally("early")) == (121, 121, 119)
    assert half.graded.sum() == 121
    count(workspace, START + 3 * DAY)
    whole = merged(w.counts for w in stored(workspace.ledger, MODEL))
    assert whole is not None
    assert whole.tally("matured") == 240


def test_a_late_label_counts_its_window_again_and_a_correction_replaces(watched) -> None:
    workspace, origin = watched
    ids = predict(workspace, origin, through_the_day(48), labels="none")
    count(workspace, START + 5 * DAY)
    late = START + 9 * DAY
    for hours, truth in ((0, True), (1, False)):
        at = micros(late + hours * HOUR)
        with Journal(workspace) as journal:
            journal.labels([label(MODEL, truth, prediction_id=ids[7], known_at=at, at=at, origin="http")])
        assert count(workspace, late + 2 * HOUR) == 1
        found = stored(workspace.ledger, MODEL)[3].counts
        assert (found.tally("labelled"), found.tally("matured")) == (1, 2)
        assert found.graded.sum(axis=0).tolist() == [int(not truth), int(truth)]
        assert found.labels[:, :, -1].sum() == 0
        assert found.labels[:, :, 5].sum() == 1  # a label of 9 days is between one and two weeks old


def test_another_cadence_counts_anew(watched) -> None:
    workspace, origin = watched
    predict(workspace, origin, through_the_day(48))
    count(workspace, START + DAY)
    count(workspace, START + DAY, cadence=timedelta(hours=7))
    windows = stored(workspace.ledger, MODEL)
    assert {w.length for w in windows} == {timedelta(hours=7)}
    assert sum(w.counts.rows for w in windows) == 48
    assert len(pending(workspace.ledger, MODEL)) == len(windows)
