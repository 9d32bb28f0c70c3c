"""Checks through the journal and the ledger: a fault is found once, with its onset and its cost, however one ticks."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from made import DAY, HOUR, START, happens, place, world
from watched import Origin

from outlast.journal.journal import Journal
from outlast.monitoring.checking.accounts import _came
from outlast.monitoring.checking.plans import said_of, watch_of
from outlast.monitoring.counting.checks import period
from outlast.monitoring.counting.windows import decided
from outlast.monitoring.incidents.acting import accept
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.subject import open_subject
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch

TURNS = START + 2 * DAY
"""From then on outcomes are far less often yes than the scores say."""


def lived(folder: Path, *, every: timedelta, days: int = 6, odds: float = 0.0) -> Workspace:
    workspace, origin = place(folder)
    go_on(workspace, origin, every=every, days=(0, days), odds=odds)
    return workspace


def go_on(workspace: Workspace, origin: Origin, *, every: timedelta, days: tuple[int, int], odds: float) -> None:
    rows = np.random.default_rng(11).poisson(20, days[1] * 24)
    with Journal(workspace) as journal:
        for hour in range(days[0] * 24, days[1] * 24):
            at = START + hour * HOUR
            wrong = odds if at >= TURNS else 0.0
            happens(journal, origin, at, world(int(rows[hour]), 300 + hour, odds=wrong))
            if (at + HOUR - START) % every == timedelta(0):
                journal.seal()
                watch(Shared(workspace, at + HOUR), "late", lambda: None)


def plain(found: list[Incident]) -> list[tuple[str, str, str, str]]:
    return [(one.cause, str(one.since), one.title, one.severity) for one in found]


def test_a_model_that_is_wrong_is_paged_with_what_it_costs(tmp_path: Path) -> None:
    workspace = lived(tmp_path, every=DAY, odds=-4.0)
    (found,) = incidents(workspace.ledger, "late")
    assert found.cause == "performance"
    assert found.severity in ("SEV1", "SEV2")
    assert TURNS - 12 * HOUR <= found.since <= TURNS + 12 * HOUR
    assert found.cost is not None
    assert 0 < found.cost.low < found.cost.per_day < found.cost.high
    assert found.account is not None
    assert "equal rows turn out otherwise than before" in found.account
    assert found.proposed in ("recalibrate", "retrain")
    assert any("in the reference" in one.sentence for one in found.found)
    assert (said_of(workspace.ledger, "late", 1) or "").startswith("On your past of 6.0 weeks this would have paged")


def test_what_was_decided_before_a_fault_of_data_is_not_charged_to_it(tmp_path: Path) -> None:
    """Outcomes come an hour late: the first hours of the fault bring those of decisions from before it."""
    workspace, origin = place(tmp_path)
    with Journal(workspace) as journal:
        for hour in range(3 * 24):
            at, gone = START + hour * HOUR, 1.0 if hour >= 2 * 24 else 0.0
            happens(journal, origin, at, world(60, 700 + hour, missing=gone))
        journal.seal()
    watch(Shared(workspace, START + 3 * DAY), "late", lambda: None)
    fault = next(one for one in incidents(workspace.ledger, "late") if one.cause == "column wind")
    assert fault.since >= START + 2 * DAY - HOUR
    subject = open_subject(workspace, "late", 1)
    came = _came(workspace.ledger, subject, replace(fault, found=fault.found[:1]), START + 3 * DAY)
    assert came is not None
    later = decided(workspace.ledger, "late", 1, fault.since, START + 3 * DAY)
    assert later is not None
    assert came.array("loss").tolist() == later.array("loss").tolist()
    before = period(workspace.ledger, "late", 1, "", fault.since, START + 3 * DAY)
    assert before is not None
    assert came.array("loss")[0] < before.array("loss")[0]


def test_a_model_that_is_right_is_left_alone(tmp_path: Path) -> None:
    assert incidents(lived(tmp_path, every=DAY).ledger, "late") == []


@pytest.mark.parametrize("every", [HOUR * 6])
def test_it_ends_alike_however_often_one_ticks(tmp_path: Path, every: timedelta) -> None:
    often, seldom = (
        lived(tmp_path / name, every=length, odds=-2.0, days=4) for name, length in (("often", every), ("seldom", DAY))
    )
    assert plain(incidents(often.ledger, "late")) == plain(incidents(seldom.ledger, "late")) != []


def test_what_was_accepted_is_a_reference_of_its_own(tmp_path: Path) -> None:
    workspace, origin = place(tmp_path)
    go_on(workspace, origin, every=DAY, days=(0, 5), odds=-2.0)
    (found,) = incidents(workspace.ledger, "late")
    accept(workspace.ledger, found, by="ada", reason="the desk works otherwise since", at=START + 5 * DAY)
    go_on(workspace, origin, every=DAY, days=(5, 7), odds=-2.0)
    assert [one.state for one in incidents(workspace.ledger, "late")] == ["accepted"]
    seen = watch_of(workspace, open_subject(workspace, "late", 1), START + 7 * DAY)
    assert seen is not None
    added = {key for table in seen.watched.tables.values() for key in table.keys if "!" in key}
    assert {key.partition("!")[0] for key in added} <= {key for t in seen.watched.tables.values() for key in t.keys}
    assert added
    go_on(workspace, origin, every=DAY, days=(7, 10), odds=6.0)  # as far off as before, the other way
    again = [one for one in incidents(workspace.ledger, "late") if one.id != found.id]
    assert [one.cause for one in again] == ["performance"]
    assert any("in what was accepted" in one.sentence for one in again[0].found)
