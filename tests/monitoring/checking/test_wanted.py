"""Answers to be labelled: some of each place, the same ones each time, and the filled file is taken back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made import HOUR, START, answered, place, world

from outlast.journal import journal
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.subject import open_subject
from outlast.monitoring.wanted import to_label
from outlast.project.workspace import Workspace
from outlast.types import micros

TOLD = START + 3 * HOUR


def incident(since_hours: int = 1) -> Incident:
    at = START + since_hours * HOUR
    times = dict.fromkeys(("since", "last", "seen_at", "opened_at", "changed_at", "told_at"), at)
    return Incident(
        "abcde", "late", 1, "performance", "SEV3", "open", None, None, "it moved", closed_at=None, found=(), **times
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three hours of answers: in the last ones the wind is often missing, and some come from a place nobody knew."""
    workspace, origin = place(tmp_path_factory.mktemp("wanted"))
    with Journal(workspace) as open_:
        for hour in range(3):
            rows = world(700, 50 + hour)
            if hour:
                origins = np.where(np.arange(700) % 100 == 0, "LHR", rows["origin"].to_numpy())
                wind = pl.when(pl.int_range(700) % 2 == 0).then("wind")
                rows = rows.with_columns(wind, pl.Series("origin", origins))
            asked = answered(origin, START + hour * HOUR, rows)
            open_.predictions(asked, origin, request_id=f"{hour}", server="s1")
            known = [label("late", True, prediction_id=one.prediction_id, known_at=micros(TOLD), at=micros(TOLD),
                           origin="http") for one in asked[:300]]  # fmt: skip
            open_.labels(known if hour == 1 else [])
    journal.seal(workspace)
    return workspace


def test_each_place_gives_as_many_as_it_has_or_as_the_others(workspace: Workspace) -> None:
    subject = open_subject(workspace, "late", 1)
    rows = to_label(workspace, incident(), subject)
    assert rows.height == 200
    assert rows["prediction_id"].n_unique() == 200
    counts = dict(rows.group_by("where").len().iter_rows())
    strange = {words: n for words, n in counts.items() if words.startswith(("wind", "origin"))}
    assert set(strange) == {"wind is missing", "origin is never seen in training"}
    assert strange["origin is never seen in training"] <= 11  # all there are, but those that have no wind either
    fair = [n for words, n in counts.items() if words != "origin is never seen in training"]
    assert min(fair) >= 5
    assert len(counts) >= 15
    assert rows.equals(to_label(workspace, incident(), subject))
    assert rows["decide_at"].min() >= START + HOUR


def test_what_has_a_label_is_not_asked_again(workspace: Workspace) -> None:
    subject = open_subject(workspace, "late", 1)
    every = to_label(workspace, incident(), subject, rows=5_000)
    assert every.height == 2 * 700 - 300
    labelled = {f"{micros(START + HOUR + index * (HOUR / 700))}" for index in range(300)}
    assert not labelled & set(every["prediction_id"].to_list())


def test_without_a_past_the_places_are_those_of_scores(workspace: Workspace) -> None:
    subject = replace(open_subject(workspace, "late", 1), past=None)
    rows = to_label(workspace, incident(), subject)
    assert rows.height == 200
    assert rows["where"].str.starts_with("score is").all()


def test_a_model_without_an_answer_has_none_to_label(tmp_path: Path) -> None:
    empty, _ = place(tmp_path)
    assert to_label(empty, incident(), open_subject(empty, "late", 1)).is_empty()


def test_nothing_before_the_incident_is_asked_for(workspace: Workspace) -> None:
    subject = open_subject(workspace, "late", 1)
    assert to_label(workspace, incident(3), subject).is_empty()
    assert to_label(workspace, replace(incident(), version=2), subject).is_empty()
