"""Checks through the journal and the ledger: a fault is found once, with its onset and its cost, however one ticks."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from made import DAY, HOUR, START, happens, place, world

from outlast.journal.journal import Journal
from outlast.monitoring.checking.plans import said_of
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch

TURNS = START + 2 * DAY
"""From then on outcomes are far less often yes than the scores say."""


def lived(folder: Path, *, every: timedelta, days: int = 6, odds: float = 0.0) -> Workspace:
    workspace, origin = place(folder)
    rows = np.random.default_rng(11).poisson(20, days * 24)
    with Journal(workspace) as journal:
        for hour in range(days * 24):
            at = START + hour * HOUR
            wrong = odds if at >= TURNS else 0.0
            happens(journal, origin, at, world(int(rows[hour]), 300 + hour, odds=wrong))
            if (at + HOUR - START) % every == timedelta(0):
                journal.seal()
                watch(Shared(workspace, at + HOUR), "late", lambda: None)
    return workspace


def plain(found: list[Incident]) -> list[tuple[str, str, str, str]]:
    return [(one.cause, str(one.since), one.title, one.severity) for one in found]


def test_a_model_that_is_wrong_is_paged_with_what_it_costs(tmp_path: Path) -> None:
    workspace = lived(tmp_path, every=DAY, odds=-2.0)
    (found,) = incidents(workspace.ledger, "late")
    assert found.cause == "performance"
    assert found.severity in ("SEV1", "SEV2")
    assert TURNS - 12 * HOUR <= found.since <= TURNS + 12 * HOUR
    assert any("in the reference" in one.sentence for one in found.found)
    assert (said_of(workspace.ledger, "late", 1) or "").startswith("On your past of 6.0 weeks this would have paged")


def test_a_model_that_is_right_is_left_alone(tmp_path: Path) -> None:
    assert incidents(lived(tmp_path, every=DAY).ledger, "late") == []


@pytest.mark.parametrize("every", [HOUR * 6])
def test_it_ends_alike_however_often_one_ticks(tmp_path: Path, every: timedelta) -> None:
    often, seldom = (
        lived(tmp_path / name, every=length, odds=-2.0, days=4) for name, length in (("often", every), ("seldom", DAY))
    )
    assert plain(incidents(often.ledger, "late")) == plain(incidents(seldom.ledger, "late")) != []
