"""However the journal comes in parts, and whenever somebody counts: the same bits, and every record once."""

import dataclasses as dc
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import DAY, HOUR, MODEL, START, Origin, features, made

from outlast.bundle.answers import Answer
from outlast.data.past import HarmTree, LossScale, Pairs, Past
from outlast.data.profile import cells
from outlast.journal import first, sealing
from outlast.journal.columns import LABELS, PREDICTIONS
from outlast.journal.records import encode, label, predicted
from outlast.monitoring.counting import checks, refreshing
from outlast.monitoring.counting.counts import Counts, merged
from outlast.monitoring.counting.grading import count
from outlast.monitoring.counting.marks import mark, put_mark
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.counting.windows import sliced, stored
from outlast.monitoring.subject import Subject, open_subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger
from outlast.types import Named, micros

SLICES = ("origin", "wind")
LATE = START + 6 * DAY
SPELLED = {True: "true", False: "false", "odd": '"odd"'}


PAYOFF = {"act": {"yes": "fare", "no": -25}, "wait": {"yes": 0, "no": 0}}
TREE = HarmTree((0, -1, -1), (0b11111111, 0, 0), (1, -1, -1), (2, -1, -1), (0, 0, 1))
"""Two leaves: the lower half of the wind, and the rest."""
PAST = Past(
    ("wind", "origin"), None, None, None, LossScale("columns", ["no", "yes"], PAYOFF, span=90.0), TREE,
    Pairs([(0, cell, 1, 0) for cell in range(16)]), None,
)  # fmt: skip
"""The parts of a past that counting reads."""


class Place:
    """A workspace whose journal is filled segment by segment; emptied for each example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        template, self.origin = made(folder / "template", {"value": {"baseline": "wind > 0.5", "payoff": PAYOFF}})
        template.ledger.dispose()
        self.examples = iter(range(10_000))
        self.subject_: Subject | None = None

    def fresh(self) -> Workspace:
        root = shutil.copytree(self.folder / "template", self.folder / f"example-{next(self.examples)}")
        return Workspace(root)

    def subject(self, workspace: Workspace) -> Subject:
        if self.subject_ is None:
            found = open_subject(workspace, MODEL, 1)
            self.subject_ = dc.replace(found, terms=dc.replace(found.terms, past=PAST))
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


@settings(max_examples=15)
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
    assert expected.array("found")[:, :, 0].sum() == 2 * expected.array("loss")[0] == 2 * expected.graded.sum()
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


def whole(workspace: Workspace) -> Counts:
    found = merged(window.counts for window in stored(workspace.ledger, MODEL))
    assert found is not None
    return found


def test_a_second_answer_that_was_counted_is_taken_out_again(place: Place) -> None:
    workspace = place.fresh()
    name = Named("r")
    name.asked = "same"
    for segment, number, hour in (("s1", 3, 5), ("s2", 1, 4)):  # the second segment brings the earlier answer
        payloads = predicted([answer(place.origin, number, hour)], place.origin, request_id=name, server=segment)
        first.keep(workspace, MODEL, segment, PREDICTIONS.frame(segment, payloads))
        sealing.note(workspace.ledger, PREDICTIONS.stream(MODEL), [segment])
        if segment == "s1":
            write(workspace, place.origin, "l1", [told(3, True, known=5)])
            counted(place, workspace, START + 3 * DAY)
            assert (whole(workspace).rows, whole(workspace).tally("labelled")) == (1, 1)
    counted(place, workspace, START + 4 * DAY)
    expected = plainly(place, workspace, [{"number": 1, "hours": 4}], START + 4 * DAY)
    assert whole(workspace).to_json() == expected.to_json()
    total = checks.period(workspace.ledger, MODEL, 1)
    assert total is not None
    assert total.to_json() == expected.to_json()
    write(workspace, place.origin, "l2", [told(3, False, known=7)])  # what is no prediction any more has no label
    counted(place, workspace, START + 5 * DAY)
    assert whole(workspace).to_json() == expected.to_json()


def told(subject: int, value: Any, *, known: int, hours: int | None = None, by_key: bool = False) -> dict[str, Any]:
    came = known if hours is None else hours
    return {"subject": subject, "by_key": by_key, "value": value, "known": known, "hours": came}


def test_each_record_is_in_the_check_it_arrived_in_and_what_is_closed_never_changes(place: Place) -> None:
    workspace = place.fresh()
    write(workspace, place.origin, "s1", [{"number": 0, "hours": 1}, {"number": 1, "hours": 3}])
    counted(place, workspace, START + 3.5 * HOUR)
    assert checks.closed_until(workspace.ledger, MODEL) == START + 3 * HOUR

    def rows() -> dict[float, int]:
        steps = checks.each(workspace.ledger, MODEL, None, LATE)
        return {(step.at - START) / HOUR: step.increments[1, ""].rows for step in steps}

    assert rows() == {2.0: 1, 4.0: 1}  # the second is in the check that is still open
    closed = checks.increments(workspace.ledger, MODEL, START + 2 * HOUR)
    write(workspace, place.origin, "s2", [{"number": 2, "hours": 1}, {"number": 3, "hours": 3}])
    counted(place, workspace, START + 5 * HOUR)
    assert rows() == {2.0: 1, 4.0: 3}  # what was sealed late is in the first check that was open
    again = checks.increments(workspace.ledger, MODEL, START + 2 * HOUR)
    assert again.increments == closed.increments
    since, until = START + 2 * HOUR, START + 4 * HOUR
    found = checks.period(workspace.ledger, MODEL, 1, "", since, until)
    assert found is not None
    assert found.rows == 3


def test_a_label_counts_where_it_comes_and_a_correction_takes_back_what_it_replaces(place: Place) -> None:
    workspace = place.fresh()
    write(workspace, place.origin, "s1", [{"number": 5, "hours": 0}])
    write(workspace, place.origin, "l1", [told(5, True, known=30)])
    write(workspace, place.origin, "l2", [told(5, False, known=60)])
    counted(place, workspace, START + 4 * DAY)
    steps = {
        (step.at - START) / HOUR: step.increments[1, ""] for step in checks.each(workspace.ledger, MODEL, None, LATE)
    }
    assert sorted(steps) == [1.0, 31.0, 49.0, 61.0]  # asked; told; matured after two days; corrected
    assert [steps[at].tally("matured") for at in sorted(steps)] == [0, 0, 1, 0]
    assert [steps[at].tally("early") for at in sorted(steps)] == [0, 1, -1, 0]
    assert steps[61.0].graded.sum(axis=0).tolist() == [1, -1]
    assert steps[49.0].moment("gain").sum > 0 > steps[61.0].moment("gain").sum


def test_no_label_is_a_no_once_the_prediction_is_matured_and_a_late_yes_replaces_it(tmp_path: Path) -> None:
    workspace, origin = made(tmp_path, {"label": {"maturity": "2d", "silence": "no"}})
    write(workspace, origin, "s1", [{"number": 5, "hours": 0}])
    found = open_subject(workspace, MODEL, 1)

    def at(now: datetime) -> Counts:
        refresh(workspace, MODEL, HOUR, now=now, subject=lambda _: found, hold=lambda: None)
        return whole(workspace)

    assert at(START + DAY).graded.sum() == 0
    assert (at(START + 3 * DAY).tally("assumed"), at(START + 3 * DAY).graded.sum(axis=0).tolist()) == (1, [1, 0])
    write(workspace, origin, "l1", [told(5, True, known=80)])
    late = at(START + 4 * DAY)
    assert (late.tally("assumed"), late.graded.sum(axis=0).tolist()) == (0, [0, 1])
    assert late.array("covered").sum(axis=0).tolist() == [0, 1]


def test_a_slice_begins_when_it_is_declared(place: Place) -> None:
    workspace = place.fresh()

    def at(now: datetime, slices: tuple[str, ...]) -> dict[str, int]:
        subject = place.subject(workspace)
        refresh(workspace, MODEL, HOUR, now=now, subject=lambda _: subject, hold=lambda: None, slices=slices)
        sums = sliced(workspace.ledger, MODEL, 1, START - DAY, LATE + DAY)
        return {name: sum(one.rows for one in parts) for name, parts in sums.items()}

    write(workspace, place.origin, "s1", [{"number": 0, "hours": 1}])
    assert at(START + 2 * HOUR, ()) == {}
    write(workspace, place.origin, "s2", [{"number": 1, "hours": 2}])
    write(workspace, place.origin, "l1", [told(n, True, known=3) for n in (0, 1)])
    origin = ROWS["origin"][1]
    assert at(START + 3 * DAY, ("origin",)) == {f"origin={origin}": 1}
    (sums,) = sliced(workspace.ledger, MODEL, 1, START, LATE).values()
    assert sum(one.tally("labelled") for one in sums) == 1  # the label of the one before it counts in the whole only
    assert whole(workspace).tally("labelled") == 2
    assert sums[0].features == ()


def test_closed_checks_are_judged_once_and_together_with_what_is_written(place: Place) -> None:
    workspace = place.fresh()
    write(workspace, place.origin, "s1", [{"number": number, "hours": number} for number in range(6)])
    counted(place, workspace, START + 4.5 * HOUR)
    seen: list[int] = []

    def judge(connection: sa.Connection, given: Sequence[checks.Check]) -> None:
        put_mark(connection, "found", {"rows": [one.increments[1, ""].rows for one in given]}, START)
        seen.extend(round((one.at - START) / HOUR) for one in given)
        if len(seen) == 3:
            raise KeyboardInterrupt

    def run(now: datetime) -> int:
        return checks.judge_closed(workspace, MODEL, judge, now=now, hold=lambda: None, together=1)

    with pytest.raises(KeyboardInterrupt):
        run(START + 5 * HOUR)
    assert run(START + 5 * HOUR) == 2  # the one cut off, and the last that is closed
    assert seen == [1, 2, 3, 3, 4]
    assert run(START + 5 * HOUR) == 0
    counted(place, workspace, START + 7 * HOUR)
    assert run(START + 7 * HOUR) == 1
    assert mark(workspace.ledger, "found") == {"rows": [2]}  # one was asked after the count, by another clock


def test_windows_of_another_length_are_counted_anew_and_checks_stay(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = place.fresh()
    monkeypatch.setattr(refreshing, "ROWS", 2)
    monkeypatch.setattr(refreshing, "_FEW", 0)
    given = [{"number": number, "hours": 3 * number} for number in range(8)] + [
        told(n, n % 2 == 0, known=30) for n in range(8)
    ]
    for index, one in enumerate(given):
        write(workspace, place.origin, f"s{index}", [one])
    counted(place, workspace, START + 3 * DAY)
    before, hourly = whole(workspace), list(checks.each(workspace.ledger, MODEL, None, LATE))
    assert before.to_json() == plainly(place, workspace, given, START + 3 * DAY).to_json()
    subject = place.subject(workspace)
    refresh(workspace, MODEL, DAY, now=START + 3 * DAY, subject=lambda _: subject, hold=lambda: None, slices=SLICES)
    (day,) = stored(workspace.ledger, MODEL)
    assert (day.length, day.counts.to_json()) == (DAY, before.to_json())
    assert [(one.at, one.increments) for one in checks.each(workspace.ledger, MODEL, None, LATE)] == [
        (one.at, one.increments) for one in hourly
    ]


def test_a_count_killed_at_any_write_goes_on_and_ends_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "ROWS", 4)
    monkeypatch.setattr(refreshing, "_FEW", 0)
    given = [{"number": number, "hours": 3 * number} for number in range(8)]
    given += [told(number, number % 2 == 0, known=30) for number in range(4)]
    workspace = place.fresh()
    for index, one in enumerate(given):
        write(workspace, place.origin, f"s{index}", [one])
    write_, writes, fatal = Ledger.write, 0, 0

    @contextmanager
    def dying(ledger: Ledger) -> Iterator[sa.Connection]:
        nonlocal writes
        writes += 1
        with write_(ledger) as connection:
            yield connection
            if writes == fatal:
                raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "write", dying)
    while True:  # each time one write further than the last that was whole
        fatal, writes = fatal + 1, 0
        try:
            counted(place, workspace, START + 3 * DAY)
        except KeyboardInterrupt:
            continue
        break
    assert fatal >= 4
    expected = plainly(place, workspace, given, START + 3 * DAY)
    assert whole(workspace).to_json() == expected.to_json()
    total = checks.period(workspace.ledger, MODEL, 1)
    assert total is not None
    assert total.to_json() == expected.to_json()
