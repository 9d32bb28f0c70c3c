"""However the journal comes in parts, and whenever somebody counts: the same bits, and every record once."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from watched import DAY, HOUR, MODEL, START, Origin, features, made

from outlast.bundle.answers import Answer
from outlast.data.profile import cells
from outlast.journal import sealing
from outlast.journal.columns import LABELS, PREDICTIONS
from outlast.journal.records import encode, label, predicted
from outlast.monitoring.counting import checks
from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.grading import count
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.counting.windows import sliced, stored
from outlast.monitoring.subject import Subject, open_subject
from outlast.project.workspace import Workspace
from outlast.types import micros

SLICES = ("origin", "wind")
LATE = START + 6 * DAY
SPELLED = {True: "true", False: "false", "odd": '"odd"'}


class Place:
    """A workspace whose journal is filled segment by segment; emptied for each example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        template, self.origin = made(folder / "template", {"value": {"baseline": "wind > 0.5", "payoff": {
            "act": {"yes": "fare", "no": -25}, "wait": {"yes": 0, "no": 0}}}})  # fmt: skip
        template.ledger.dispose()
        self.examples = iter(range(10_000))
        self.subject_: Subject | None = None

    def fresh(self) -> Workspace:
        root = shutil.copytree(self.folder / "template", self.folder / f"example-{next(self.examples)}")
        return Workspace(root)

    def subject(self, workspace: Workspace) -> Subject:
        if self.subject_ is None:
            self.subject_ = open_subject(workspace, MODEL, 1)
        return self.subject_


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("counting"))


ROWS = features(8, np.random.default_rng(4))


def answer(origin: Origin, number: int, hours: int) -> Answer:
    at, row = START + hours * HOUR, ROWS[number : number + 1]
    score = (number + 1) / 9
    return Answer(
        f"p{number}", f"k{number // 2}", micros(at), micros(at), {"origin": row["origin"][0], "fare": 80.0 + number},
        {"wind": row["wind"][0]}, score, None, "act" if score > 0.5 else "wait", "full", [], [],
        bytes(cells(origin.profile, row)[0]),
    )  # fmt: skip


hours = st.integers(0, 5 * 24)
predictions = st.fixed_dictionaries({"number": st.integers(0, 7), "hours": hours})
labels = st.fixed_dictionaries(
    {
        "subject": st.integers(0, 7), "by_key": st.booleans(), "value": st.booleans() | st.just("odd"),
        "known": st.integers(0, 7 * 24), "hours": hours,
    }
)  # fmt: skip
records = st.lists(predictions, min_size=1, max_size=8, unique_by=lambda one: one["number"])


def about(one: dict[str, Any]) -> dict[str, str]:
    return {"key": f"k{one['subject']}"} if one["by_key"] else {"prediction_id": f"p{one['subject']}"}


def write(workspace: Workspace, origin: Origin, name: str, part: list[dict[str, Any]]) -> None:
    """Put records into the tables as a sealer does."""
    asked = [answer(origin, one["number"], one["hours"]) for one in part if "number" in one]
    told = [
        label(
            MODEL, one["value"], known_at=micros(START + one["known"] * HOUR), at=micros(START + one["hours"] * HOUR),
            origin="http", **about(one),
        )
        for one in part if "subject" in one
    ]  # fmt: skip
    if asked:
        payloads = predicted(asked, origin, request_id="r", server="s")
        workspace.tables.append(PREDICTIONS.stream(MODEL), PREDICTIONS.frame(name, payloads), once=name)
        sealing.note(workspace.ledger, PREDICTIONS.stream(MODEL), [name])
    if told:
        frame = LABELS.frame(name, [encode(one) for one in told])
        workspace.tables.append(LABELS.stream(MODEL), frame, once=name)
        sealing.note(workspace.ledger, LABELS.stream(MODEL), [name])


def counted(place: Place, workspace: Workspace, now: datetime) -> None:
    refresh(
        workspace, MODEL, HOUR, now=now, subject=lambda _: place.subject(workspace), hold=lambda: None, slices=SLICES
    )  # fmt: skip


def plainly(place: Place, workspace: Workspace, given: list[dict[str, Any]], now: datetime) -> Counts:
    """All records at once, one label per prediction chosen by a plain loop."""
    asked, chosen = [], []
    for one in given:
        if "number" not in one:
            continue
        mine = [
            (two["known"], two["hours"], not two["by_key"], SPELLED[two["value"]])
            for two in given
            if "subject" in two and START + two["known"] * HOUR < now
            and two["subject"] == (one["number"] // 2 if two["by_key"] else one["number"])
        ]  # fmt: skip
        best = max(mine, default=None)
        asked += predicted(
            [answer(place.origin, one["number"], one["hours"])], place.origin, request_id="r", server="s"
        )
        chosen.append((None, None) if best is None else (best[3], START + best[0] * HOUR))
    frame = PREDICTIONS.frame("all", asked).with_columns(
        pl.Series("value", [value for value, _ in chosen], dtype=pl.String),
        pl.Series("known_at", [at for _, at in chosen], dtype=pl.Datetime("us", "UTC")),
    )
    return count(frame, place.subject(workspace).terms, now)


@settings(max_examples=25, report_multiple_bugs=False, phases=[Phase.generate])
@given(st.data())
def test_any_parts_at_any_moments_are_the_whole_to_the_bit(place: Place, data: st.DataObject) -> None:
    given = data.draw(records) + data.draw(st.lists(labels, max_size=8))
    order = data.draw(st.permutations(given))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3)))
    nows = sorted(data.draw(st.lists(st.integers(-24, 6 * 24), min_size=len(cuts) + 1, max_size=len(cuts) + 1)))
    workspace = place.fresh()
    for index, (begin, end, now) in enumerate(zip([0, *cuts], [*cuts, len(order)], nows, strict=True)):
        write(workspace, place.origin, f"s{index}", order[begin:end])
        if data.draw(st.booleans()):  # a part may also come again
            write(workspace, place.origin, f"s{index}", order[begin:end])
        counted(place, workspace, START + now * HOUR)
    counted(place, workspace, LATE)
    expected = plainly(place, workspace, given, LATE)
    whole = merged(window.counts for window in stored(workspace.ledger, MODEL))
    assert whole is not None
    assert whole.to_json() == expected.to_json()
    total = checks.period(workspace.ledger, MODEL, 1, "", None, LATE + HOUR)
    assert total is not None
    assert total.to_json() == expected.to_json()
    steps = list(checks.each(workspace.ledger, MODEL, None, LATE + HOUR))
    assert merged(step.increments[1, ""] for step in steps if (1, "") in step.increments) == expected
    sums = sliced(workspace.ledger, MODEL, 1, START - DAY, LATE + DAY)
    for column in SLICES:
        mine = merged(c for name, parts in sums.items() if name.startswith(f"{column}=") for c in parts)
        assert mine == expected.light(), column
    workspace.ledger.dispose()
