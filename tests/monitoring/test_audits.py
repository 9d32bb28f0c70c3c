"""The daily audit: each day once, bounded after an outage, told once, whole after any disturbance."""

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa
from answered import ASKED, NOW, ask, push

from outlast.gates.promote import fill_fresh
from outlast.monitoring import audits
from outlast.monitoring.audits import Audited, audit_due, audited, chance, findings
from outlast.monitoring.report import report
from outlast.monitoring.skew import Column, Unread
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import alerts as alert_rows
from outlast.storage.ledger.schema import incident_events, marks
from outlast.storage.ledger.schema import incidents as incident_rows
from outlast.training.run import train

MODEL = "late-orders"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
FIRST = datetime(2024, 6, 1, tzinfo=UTC)
DUE = FIRST + DAY + timedelta(hours=12, minutes=5)
"""When the first day is due: half a day after it and five minutes of lag."""
Served = tuple[Workspace, Version]


def due(place: Workspace, now: datetime) -> list[tuple[Audited, int]]:
    def subject(version: int) -> Subject:
        return open_subject(place, MODEL, version)

    return audit_due(place, MODEL, now=now, subject=subject, hold=lambda: None)


def days(place: Workspace) -> list[int]:
    return [one.day.day for one in audited(place.ledger, MODEL)]


def told(place: Workspace) -> list[Alert]:
    return alerts(place.ledger, MODEL)


def test_a_day_is_audited_once_when_it_is_over_and_its_facts_are_due(served: Served) -> None:
    place, version = served
    ask(place, version, 40)
    assert due(place, DUE - MINUTE) == []
    assert due(place, DUE) == []  # it was looked a minute ago: the next look is an hour later
    ((found, raised),) = due(place, DUE + timedelta(hours=1))
    assert (found.day, found.answers, found.looked_at, found.columns, raised) == (FIRST, 12, 12, (), 0)
    assert found.sentence(MODEL) == "12 of 12 answers of 2024-06-01 computed again: all equal"
    assert due(place, DUE + timedelta(hours=2)) == []
    assert [found] == audited(place.ledger, MODEL)
    assert [one.day.day for one, _ in due(place, DUE + 2 * DAY)] == [2, 3]
    assert days(place) == [1, 2, 3]
    assert audited(place.ledger, MODEL, since=FIRST + DAY, until=FIRST + 2 * DAY)[0].day.day == 2
    assert audited(place.ledger, "late") == []


def test_after_an_outage_the_newest_days_are_caught_up(served: Served) -> None:
    place, version = served
    ask(place, version, 24 * 9)
    assert [one.day.day for one, _ in due(place, DUE + 30 * DAY)] == [4, 5, 6, 7, 8, 9, 10]
    assert due(place, DUE + 31 * DAY) == []


def test_a_clock_that_jumps_back_changes_nothing(served: Served) -> None:
    place, version = served
    ask(place, version, 40)
    due(place, DUE + DAY)
    before = audited(place.ledger, MODEL)
    assert due(place, DUE - 100 * DAY) == []
    assert due(place, DUE) == []
    assert audited(place.ledger, MODEL) == before
    assert len(before) == 2


def test_other_code_is_a_ticket_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    place, version = served
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 40)
    monkeypatch.delenv("RATE")
    done = due(place, DUE + 2 * DAY)
    assert [(one.day.day, raised) for one, raised in done] == [(1, 1), (2, 0), (3, 0)]
    (alert,) = told(place)
    assert (alert.kind, alert.severity, alert.detail["columns"], alert.delivered_at) == (
        "other-code", "ticket", ["dear"], None,
    )  # fmt: skip
    example = done[0][0].columns[0].examples["other code"]["prediction_id"]
    assert alert.sentence == (
        "late-orders@1, day of 2024-06-01 UTC: dear was served in 12 of 12 answers (100.0%) otherwise than the facts "
        f"give, as known then or as they came in: prediction {example} had 6.0, not 2.0; find out which code answers "
        "as version 1: outlast history late-orders, and all of it: outlast skew late-orders --since 2024-06-01 "
        f"--until 2024-06-02 (incident {alert.detail['incident']}, SEV3)"
    )
    assert "dear differs in 100.0% (other code); see: outlast skew late-orders" in done[0][0].sentence(MODEL)
    kept = report(place, MODEL).audits[-1].columns[0]
    assert (kept.column, kept.rows, kept.differ, kept.late, kept.other_code, kept.unexplained) == (
        "dear",
        4,
        4,
        0,
        4,
        0,
    )


def test_a_late_feed_is_a_ticket_with_its_source_and_facts_after_the_audit_change_nothing(served: Served) -> None:
    place, version = served
    ask(place, version, 12)
    push(place, 90_001, ASKED - timedelta(hours=1), at=ASKED + timedelta(hours=20))
    ((found, raised),) = due(place, DUE)
    assert (raised, {(one.late, one.other_code, one.differ) for one in found.columns}) == (1, {(12, 0, 12)})
    (alert,) = told(place)
    assert (alert.kind, alert.severity) == ("late-feed", "ticket")
    assert set(alert.detail["columns"]) == {"last_late", "late_1d", "late_3d"}
    assert "raise the source's lag or mend the feed of 'deliveries'" in alert.sentence
    assert alert.sentence.count("raise the source's lag") == 1
    push(place, 90_002, ASKED - timedelta(hours=2), at=ASKED + 3 * DAY)
    assert due(place, DUE + 3 * DAY) == []
    assert audited(place.ledger, MODEL) == [found]


@pytest.mark.parametrize(("rows", "features"), [(500, 1), (500, 20), (20, 5)])
def test_late_facts_are_told_from_the_share_on_that_chance_does_not_give(rows: int, features: int) -> None:
    def binomial(hits: int) -> float:
        return sum(math.comb(rows, k) * 0.01**k * 0.99 ** (rows - k) for k in range(hits, rows + 1))

    allowed = next(hits for hits in range(rows) if binomial(hits + 1) < 1 / (365 * features))
    assert chance(allowed, rows, 0.01) == pytest.approx(binomial(allowed))
    for late, kinds in ((0, []), (allowed, []), (allowed + 1, ["late-feed"])):
        assert [one.kind for one in said(column(rows, late), features)] == kinds
    assert {500: {1: 12, 20: 15}, 20: {5: 3}}[rows][features] == allowed


def test_one_value_of_other_code_is_told_beside_the_late_ones() -> None:
    one = column(500, 3, other=1)
    assert [(found.kind, found.severity) for found in said(one, 20)] == [("other-code", "ticket")]
    assert "in 1 of 500 answers (0.2%)" in said(one, 20)[0].sentence
    one = column(500, 400, other=0, unexplained=100)
    (found,) = said(one, 20)
    assert "in 400 of 400 answers (100.0%)" in found.sentence


def test_what_differs_for_no_known_reason_is_shown_and_nobody_is_told() -> None:
    one = column(500, 0, unexplained=500)
    assert said(one, 1) == []
    assert "differs in 100.0% (reason not looked for)" in day_of(one, 1).sentence(MODEL)


def column(rows: int, late: int, *, other: int = 0, unexplained: int = 0) -> Column:
    example = {"prediction_id": "p", "served": 1, "computed": 2}
    examples = dict.fromkeys(("late", "other code", "unexplained"), example)
    return Column(1, "c", "deliveries", rows, late + other + unexplained, late, other, examples)


def day_of(one: Column, features: int) -> Audited:
    return Audited(FIRST, one.rows, one.rows, one.rows, features, (one,))


def said(one: Column, features: int) -> list[audits.Finding]:
    return findings(MODEL, day_of(one, features)).get(1, [])


def test_a_version_that_is_gone_is_said_tried_again_and_does_not_hide_the_others(
    served: Served, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, first = served
    monkeypatch.setenv("RATE", "3")
    ask(place, first, 6)
    monkeypatch.delenv("RATE")
    (orders / "model.py").write_text((orders / "model.py").read_text() + "\n# another\n")
    second = train(load_project(orders), by="ada", now=NOW).version
    fill_fresh(place, second, now=NOW)
    ask(place, second, 6)
    file = place.artifacts.path(second.digest)
    content = file.read_bytes()
    file.unlink()
    ((found, raised),) = due(place, DUE)
    assert (found.looked_at, raised, [(one.version, one.answers) for one in found.unread]) == (6, 1, [(2, 6)])
    assert "6 of 12 answers of 2024-06-01 computed again: dear differs" in found.sentence(MODEL)
    assert "6 answers of version 2 not: " in found.sentence(MODEL)
    assert due(place, DUE + timedelta(hours=1)) == []  # tried again, and nothing is new
    assert audited(place.ledger, MODEL)[0].tries == 2
    file.write_bytes(content)
    ((found, raised),) = due(place, DUE + timedelta(hours=2))
    assert (found.looked_at, raised, found.unread, found.tries) == (12, 0, (), 3)


def test_a_day_that_cannot_be_computed_again_is_given_up(served: Served) -> None:
    place, version = served
    ask(place, version, 6)
    place.artifacts.path(version.digest).unlink()
    counts = [len(due(place, DUE + timedelta(hours=hours))) for hours in range(6)]
    assert counts == [1, 0, 0, 0, 0, 0]
    (found,) = audited(place.ledger, MODEL)
    assert (found.tries, found.looked_at) == (audits.TRIES, 0)
    assert found.sentence(MODEL).startswith("0 of 6 answers of 2024-06-01 computed again; 6 answers of version 1 not:")


def test_answers_without_features_are_said_to_be_none(served: Served) -> None:
    found = Audited(FIRST, 12_034, 0, 0, 0)
    assert found.sentence(MODEL) == (
        "none of 12,034 answers of 2024-06-01 could be computed again: none was given in full with its features kept"
    )
    gone = Audited(FIRST, 10, 10, 8, 4, unread=(Unread(2, 2, "Bundle x is missing"),))
    assert gone.sentence(MODEL) == (
        "8 of 10 answers of 2024-06-01 computed again: all equal; 2 answers of version 2 not: Bundle x is missing"
    )


def test_nothing_answered_is_nothing_due(served: Served) -> None:
    assert due(served[0], DUE) == []
    assert audited(served[0].ledger, MODEL) == []


class Killed(BaseException):
    """The end of a process, as far as the ledger sees one."""


def test_an_audit_killed_at_any_write_ends_as_an_undisturbed_one(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, version = served
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 36)
    monkeypatch.delenv("RATE")
    write, fatal = Ledger.write, list[Any]([0, "-"])

    @contextmanager
    def killing(ledger: Ledger) -> Iterator[sa.Connection]:
        fatal[0] -= 1
        if fatal == [0, "before"]:
            raise Killed
        with write(ledger) as connection:
            yield connection
            if fatal == [0, "within"]:
                raise Killed
        if fatal == [0, "after"]:
            raise Killed

    monkeypatch.setattr(Ledger, "write", killing)
    due(place, DUE + DAY)
    assert fatal[0] == -3  # a write for each of the two days, and one when nothing is left to do
    expected = kept(place)
    assert ([one.looked_at for one in expected[0]], len(expected[1])) == ([12, 24], 1)
    for step, when in itertools.product((1, 2, 3), ("before", "within", "after")):
        forget(place)
        fatal[:] = [step, when]
        with pytest.raises(Killed):
            due(place, DUE + DAY)
        fatal[:] = [0, "-"]
        due(place, DUE + DAY)
        assert kept(place) == expected, (step, when)


def kept(place: Workspace) -> tuple[list[Audited], list[tuple[str, str]]]:
    return audited(place.ledger, MODEL), [(one.id, one.sentence) for one in told(place)]


def forget(place: Workspace) -> None:
    """The ledger as it was before the first audit."""
    with place.ledger.write() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name.startswith("skew")))
        for rows in (alert_rows, incident_events, incident_rows):
            connection.execute(sa.delete(rows))


def test_two_at_once_keep_and_tell_one_audit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a lease has run out in the middle, and both go on."""
    place, version = served
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 12)
    monkeypatch.delenv("RATE")
    start, results = Barrier(2), list[int]()
    whole = audits.audit

    def together(*given: object, **named: object) -> object:
        found = whole(*given, **named)  # type: ignore[arg-type]
        start.wait(60)
        return found

    monkeypatch.setattr(audits, "audit", together)

    def one() -> None:
        mine = Workspace(place.root)
        results.append(len(due(mine, DUE)))
        mine.ledger.dispose()

    threads = [Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1]
    assert len(told(place)) == 1
    with place.ledger.read() as connection:
        names = connection.scalars(sa.select(marks.c.name).where(marks.c.name.startswith("skew"))).all()
    assert sorted(names) == ["skew-looked/late-orders", "skew/late-orders/2024-06-01"]
    place.ledger.dispose()
