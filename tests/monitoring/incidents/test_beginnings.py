"""What checks found is shown with the window in which it began, once, and with the version that it is of."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from watched import DAY, HOUR, MODEL, START, Origin, made, predict, through_the_day

from outlast.cli.watched import watched
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.counting.windows import Window
from outlast.monitoring.incidents.beginnings import begun
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.judge import Finding
from outlast.monitoring.report import report
from outlast.project.workspace import Workspace
from outlast.retraining.tick import tick
from outlast.storage.ledger import schema as tables


def finding(kind: str, column: str | None = None) -> Finding:
    return Finding(kind, column, "ticket", f"{kind} of {column}", 6.0)


def raised(place: Workspace, origin: Origin, day: int, *findings: Finding, version: int = 1) -> None:
    at = START + day * DAY
    scope = Scope(MODEL, version, "window", at, at + DAY)
    with place.ledger.write() as connection:
        raise_findings(connection, scope, findings, origin.contract, at + DAY + HOUR)


def windows(version: int, *days: int, findings: tuple[dict, ...] = (), length: timedelta = DAY) -> list[Window]:
    return [Window(MODEL, version, START + n * DAY, length, Counts.none([]), START, findings) for n in days]


def kinds(place: Workspace, of: list[Window]) -> list[list[str]]:
    return [[one["kind"] for one in line] for line in begun(place.ledger, MODEL, of)]


def test_the_report_counts_what_checks_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, origin = made(tmp_path, {"monitoring": {"cadence": "1d"}})
    for day in range(3):
        predict(place, origin, through_the_day(240, START + day * DAY), seed=2 + day, empty=day == 2)
    tick(place, now=START + 3 * DAY + HOUR)
    own = [line.findings for line in report(place, MODEL).lines]
    assert [len(findings) for findings in own][:2] == [0, 0]
    assert {one["kind"] for one in own[2]} == {"empty-column"}
    raised(place, origin, 1, finding("calibration"), finding("feature-drift", "wind"))
    raised(place, origin, 2, finding("calibration"))  # the same again is nothing that began
    found = report(place, MODEL)
    assert [len(line.findings) for line in found.lines] == [0, 2, len(own[2])]
    (named,) = [one.id for one in incidents(place.ledger, MODEL)]  # what follows joins the fault
    assert [one["incident"] for one in found.to_json()["lines"][1]["findings"]] == [named, named]
    watched(found, 5)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("2013-07-02")]
    assert line.split()[-1] == "2"


def test_what_a_window_has_itself_is_not_counted_again(tmp_path: Path) -> None:
    place, origin = made(tmp_path)
    raised(place, origin, 1, finding("empty-column", "wind"), finding("data-quality", "origin"))
    mine = windows(1, 1, findings=({"kind": "empty-column", "column": "wind"},))
    assert kinds(place, mine) == [["empty-column", "data-quality"]]


def test_what_began_where_there_is_no_window_is_in_none(tmp_path: Path) -> None:
    place, origin = made(tmp_path)
    raised(place, origin, 1, finding("calibration"))
    assert kinds(place, windows(1, 0, 2)) == [[], []]
    assert kinds(place, windows(1, 2, 3)) == [[], []]
    assert kinds(place, windows(1, 0, 1, 2, length=HOUR)) == [[], ["calibration"], []]
    assert begun(place.ledger, MODEL, []) == []


def test_an_incident_over_several_versions_gives_each_what_began_with_it(tmp_path: Path) -> None:
    place, origin = made(tmp_path)
    said = {"model": MODEL, "action": "promote", "by": "ada", "reason": None, "verdict_digest": None}
    steps = [{"sequence": n, "at": START + 3 * DAY * (n - 1), "from_version": None, "to_version": n} for n in (1, 2)]
    with place.ledger.write() as connection:
        connection.execute(sa.insert(tables.transitions), [said | step for step in steps])
    raised(place, origin, 1, finding("empty-column", "wind"))
    raised(place, origin, 4, finding("data-quality", "wind"), version=2)
    raised(place, origin, 2, finding("other-code", "wind"), version=2)  # of a challenger
    assert kinds(place, windows(1, *range(6))) == [[], ["empty-column"], [], [], [], []]
    assert kinds(place, windows(2, *range(6))) == [[], [], ["other-code"], [], ["data-quality"], []]
