"""Days of the journal that are bet on at night: each once, and what is found is a ticket that names the columns."""

from pathlib import Path

import numpy as np
import polars as pl
from made import DAY, HOUR, START, answered, happens, place, world
from msgspec.structs import replace

from outlast.journal.journal import Journal
from outlast.monitoring.checking import nightly
from outlast.monitoring.checking.nightly import Wealth, judge_days
from outlast.monitoring.incidents.incident import Found
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.subject import open_subject
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch

DAYS = 6


def lived(folder: Path, *, together: bool, every: int) -> Workspace:
    """Each column is as it was; from the third day on strong wind comes from one airport, if `together`."""
    workspace, origin = place(folder)
    with Journal(workspace) as journal:
        for hour in range(DAYS * 24):
            rows = world(20, 2000 + hour)
            if together and hour >= 48:
                order = np.array(["EWR", "JFK", "LGA"])[np.searchsorted([-0.43, 0.43], rows["wind"].to_numpy())]
                rows = rows.with_columns(pl.Series("origin", order))
            happens(journal, origin, START + hour * HOUR, rows)
        journal.seal()
    for day in range(every, DAYS + 1, every):
        watch(Shared(workspace, START + day * DAY), "late", lambda: None)
    return workspace


def found(workspace: Workspace) -> list[Found]:
    return [
        one
        for incident in incidents(workspace.ledger, "late")
        for one in incident.found
        if one.sentence.startswith("a classifier")
    ]


def test_columns_that_go_together_otherwise_are_a_ticket_that_names_them(tmp_path: Path) -> None:
    workspace = lived(tmp_path, together=True, every=1)
    (one,) = found(workspace)
    assert one.severity == "ticket"
    assert "wind and origin together" in one.sentence
    assert START + 3 * DAY <= one.first <= START + 4 * DAY  # the day after the first of these was learnt


def test_nothing_is_found_where_nothing_moves_and_each_day_is_taken_once(tmp_path: Path) -> None:
    workspace = lived(tmp_path, together=False, every=1)
    assert found(workspace) == []
    subject = open_subject(workspace, "late", 1)
    with workspace.ledger.read() as connection:
        kept = nightly._read(connection, subject)
    assert kept is not None
    assert kept.day == (START - nightly.EPOCH) // DAY + DAYS - 1
    assert judge_days(workspace, subject, now=START + DAYS * DAY, hold=lambda: None) == 0
    with workspace.ledger.read() as connection:
        assert nightly._read(connection, subject) == kept


def test_evidence_passes_the_threshold_once_and_begins_anew(tmp_path: Path) -> None:
    workspace, _ = place(tmp_path)
    subject = open_subject(workspace, "late", 1)
    past = subject.past
    assert past is not None
    learnt = nightly.learn(subject.profile.features, past.sample.cells[:500], past.sample.cells[500:1000] * 0)
    wealth = Wealth(1)
    for day in range(2, 6):
        wealth, said = nightly.judged(subject, wealth, day, (learnt, (np.full(4, 2.5), 100)))
        assert bool(said) == (day == 5)
    assert wealth == Wealth(5)
    assert "(400 rows bet on)" in said[0].sentence
    assert said[0].since == nightly.EPOCH + 2 * DAY


def test_a_story_told_again_is_bet_on_by_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    """Other ids, and another order: whichever server took a request first."""
    drawn = []
    for turn, order in ((0, 1), (1, -1)):
        workspace, origin = place(tmp_path / str(turn))
        with Journal(workspace) as journal:
            answers = [
                replace(one, key=f"k{number}", prediction_id=f"{one.prediction_id[:14]}{turn}{number}")
                for number, one in enumerate(answered(origin, START, world(400, 1)))
            ]
            journal.predictions(answers[::order], origin, request_id="r", server="s1")
            journal.seal()
        subject = open_subject(workspace, "late", 1)
        day = (START - nightly.EPOCH) // DAY
        drawn.append(nightly._rows(workspace, subject, (day, day + 1), 150))
    assert len(drawn[0]) == 150
    assert (drawn[0] == drawn[1]).all()
    assert len(np.unique(drawn[0], axis=0)) > 10
