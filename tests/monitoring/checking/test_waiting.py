"""Labels that come late, through the journal: a lag that changes is no change of outcomes."""

from pathlib import Path

import numpy as np
import pytest
from made import HOUR, START, answered, place, world

from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.monitoring.counting import waiting
from outlast.monitoring.incidents.reading import incidents
from outlast.project.workspace import Workspace
from outlast.retraining.jobs import Shared, watch
from outlast.types import micros

TURNS, DAYS = 8, 14
"""The day from which on labels take longer or outcomes are others, and when the story ends."""


def lived(folder: Path, *, slower: float = 1.0, odds: float = 0.0) -> Workspace:
    """Labels take hours, a yes three times as long: after the declared day some are still to come."""
    workspace, origin = place(folder, {"label": {"maturity": "26h"}})
    rng, ahead = np.random.default_rng(5), []
    with Journal(workspace) as journal:
        for hour in range(DAYS * 24):
            at, turned = START + hour * HOUR, hour >= TURNS * 24
            rows = world(30, 900 + hour, odds=odds if turned else 0.0)
            asked = answered(origin, at, rows)
            journal.predictions(asked, origin, request_id=f"{at}", server="s1")
            hours = np.where(rows["late"].to_numpy(), 21, 7) * (slower if turned else 1.0)
            came = micros(at) + (hours * np.exp(0.6 * rng.normal(size=rows.height)) * 3.6e9).astype(int)
            ahead += list(zip(came.tolist(), asked, rows["late"].to_list(), strict=True))
            here = [one for one in ahead if one[0] < micros(at + HOUR)]
            ahead = [one for one in ahead if one[0] >= micros(at + HOUR)]
            journal.labels(
                [
                    label("late", late, prediction_id=one.prediction_id, known_at=when, at=when, origin="http")
                    for when, one, late in here
                ]
            )
            if hour % 24 == 23:
                journal.seal()
                watch(Shared(workspace, at + HOUR), "late", lambda: None)
    return workspace


def found(workspace: Workspace) -> set[str]:
    """The kinds of what was found that rests on labels."""
    kinds = {one.kind for incident in incidents(workspace.ledger, "late") for one in incident.found}
    return kinds & {"calibration", "label-arrival", "label-drift", "loss", "slice"}


def test_a_lag_that_changes_is_no_change_of_outcomes(tmp_path: Path) -> None:
    assert found(lived(tmp_path, slower=3.0)) == {"label-arrival"}


def test_it_would_be_one_if_all_were_judged_at_maturity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "STILL", 1.0)
    assert "calibration" in found(lived(tmp_path, slower=3.0))


def test_outcomes_that_change_are_found_though_labels_are_late(tmp_path: Path) -> None:
    assert "calibration" in found(lived(tmp_path, odds=-2.0))
