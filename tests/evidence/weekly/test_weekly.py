"""The weekly page says what happened and what to do, and has something to say when nothing happened."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from watched import DAY, HOUR, MODEL, START, SUMMARY, made, predict, through_the_day

from outlast.bundle.format import open_bundle, pack
from outlast.errors import SettingsError, StorageError
from outlast.evidence.card.parts import Say
from outlast.evidence.weekly import sections
from outlast.evidence.weekly.paper import markdown, put
from outlast.evidence.weekly.week import Week, week
from outlast.evidence.weekly.writing import paper, sheet
from outlast.monitoring.incidents import keeping
from outlast.monitoring.incidents.acting import resolve
from outlast.monitoring.incidents.reading import incidents
from outlast.project.workspace import Workspace
from outlast.registry.versions import register
from outlast.retraining.tick import tick
from outlast.storage.ledger import schema as tables

NOW = START + 14 * DAY + HOUR


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Ten days of answers, on the eighth of which a column is gone."""
    terms = {"model": {"owner": "ops"}, "monitoring": {"cadence": "1d", "slices": ["origin"]}}
    place, origin = made(tmp_path_factory.mktemp("week"), terms)
    for day in range(10):
        moments = through_the_day(240, START + day * DAY)
        predict(place, origin, moments, seed=2 + day, empty=day == 7)
    done = tick(place, now=NOW)
    assert not any(line.failed for line in done if line.job == "watch"), done
    return place


def of(place: Workspace, until=START + 14 * DAY) -> Week:
    return week(place, MODEL, until=until, now=NOW)


def test_a_week_is_told_in_the_order_in_which_a_team_asks(watched: Workspace) -> None:
    (incident,) = incidents(watched.ledger, MODEL)
    page = sheet(of(watched), NOW)
    assert page.heading == "late, 08 July to 14 July 2013"
    assert "answered 720 questions and gained" in page.lead
    assert page.lead.endswith("1 incident was open at its end.")
    assert [one.title for one in page.sections] == [
        "What to do next",
        "What it was worth",
        "Incidents",
        "How good it was",
        "Declared slices, what gains least first",
        "What moved most since training",
        "What people did with the answers",
        "What was live",
    ]
    text = markdown(page)
    assert f"outlast incident {incident.id}" in text.split("## What it was worth")[0]
    assert "| Mon 08 Jul | 240 | 240 |" in text
    assert "- **roc\\_auc**:" in text
    assert "column wind" in text
    slices = of(watched).slices
    assert {one.slice for one in slices} == {"origin=EWR", "origin=JFK", "origin=LGA"}
    assert sum(one.rows for one in slices) == 720
    assert sorted(one.gain.high for one in slices) == [one.gain.high for one in slices]
    assert f"| {slices[0].slice} | {slices[0].rows} |" in text


def test_a_week_before_has_its_own_answers_and_no_incident(watched: Workspace) -> None:
    found = of(watched, START + 7 * DAY + 5 * HOUR)  # whole days
    assert (found.since, found.until, found.answers) == (START, START + 7 * DAY, 7 * 240)
    assert found.incidents == ()
    assert [start for start, _ in found.quality] == [START]
    assert "None was open this week" in markdown(sheet(found, NOW))


def test_the_page_is_html_with_its_pictures_or_markdown_with_them_beside(watched: Workspace, tmp_path: Path) -> None:
    page = paper(of(watched), NOW)
    (html,) = put(page, tmp_path / "week.html")
    text = html.read_text("utf-8")
    assert text.count("<svg") == 2
    assert "<script" not in text
    md, *pictures = put(page, tmp_path / "week.md")
    assert [picture.name for picture in pictures] == ["week-money.svg", "week-quality.svg"]
    assert all(ET.fromstring(picture.read_text("utf-8")).tag.endswith("svg") for picture in pictures)
    assert "![money](week-money.svg)" in md.read_text("utf-8")
    with pytest.raises(SettingsError, match=r"ends in \.md or \.html"):
        put(page, tmp_path / "week.pdf")


def test_programs_get_the_same(watched: Workspace) -> None:
    page = paper(of(watched), NOW, pictures=False)
    assert page.pictures == {}
    told: dict[str, Any] = page.plain()
    assert told["until"] == (START + 14 * DAY).isoformat()
    assert {part["kind"] for one in told["sections"] for part in one["parts"]} == {"say", "grid", "facts"}


def test_a_model_that_did_nothing_says_what_to_do(tmp_path: Path) -> None:
    place, _ = made(tmp_path, {"model": {"owner": None}})
    page = paper(week(place, MODEL, until=NOW, now=NOW), NOW)
    assert page.sheet.lead == "late answered nothing this week. No incident was open at its end."
    text = markdown(page.sheet)
    for said in ("Nothing is live", "The model has no owner", "outlast tick", "None was open", "did not change"):
        assert said in text
    assert put(page, tmp_path / "w.md") == [tmp_path / "w.md"]


def live(place: Workspace, version: int = 1) -> None:
    row = {"model": MODEL, "live": version, "previous": None, "sequence": 1, "updated_at": START}
    with place.ledger.write() as connection:
        connection.execute(sa.insert(tables.rollouts).values(row))


@pytest.mark.parametrize(("answers", "says"), [(0, "no answer was given"), (240, "labels come")])
def test_that_nothing_is_to_be_done_is_said_with_what_is_so(tmp_path: Path, answers: int, says: str) -> None:
    place, origin = made(tmp_path, {"monitoring": {"cadence": "1d"}})
    live(place)
    if answers:
        predict(place, origin, through_the_day(answers, START + 9 * DAY))
    tick(place, now=NOW)
    (part,) = sheet(of(place), NOW).sections[0].parts
    assert part == Say(f"Nothing: no incident of the week is open, and {says}.", True)


def test_a_week_without_an_answer_tells_of_what_was_open(watched: Workspace) -> None:
    lead = sheet(of(watched, START + 21 * DAY), NOW).lead
    assert lead == "late answered nothing this week. 1 incident was open at its end."


def test_what_was_closed_is_told_with_what_became_of_it(watched: Workspace) -> None:
    (incident,) = incidents(watched.ledger, MODEL)
    resolve(watched.ledger, incident, by="ana", reason="the feed is mended", at=NOW + timedelta(minutes=1))
    text = markdown(sheet(of(watched), NOW))
    assert "resolve: it is over: the feed is mended" in text
    assert "Nothing: no incident of the week" not in text  # nothing is live here
    assert "1 incident was open at its end." in text  # it was closed after it


def change(sequence: int, at: datetime, before: int | None, to: int) -> dict[str, Any]:
    said = {"action": "promote", "by": "ada", "reason": None, "verdict_digest": None}
    return {"model": MODEL, "sequence": sequence, "at": at, "from_version": before, "to_version": to, **said}


@pytest.fixture(scope="module")
def succeeded(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Version 2 takes over on the ninth day, and a column is gone from the seventh."""
    place, first = made(tmp_path_factory.mktemp("two"), {"monitoring": {"cadence": "1d"}})
    same = {"code_digest": None, "task": "binary", "summary": SUMMARY, "lineage": {}, "by": "ada"}
    bundle = open_bundle(place, first.digest)
    digest = place.artifacts.put(pack({**bundle.manifest, "seed": 2}, dict(bundle.files)))
    register(place.ledger, MODEL, digest=digest, at=START + 8 * DAY, **same)
    second = replace(first, version=2, digest=digest)
    for day in range(14):
        moments = through_the_day(240 if day < 9 else 200, START + day * DAY)
        predict(place, first if day < 9 else second, moments, seed=2 + day, empty=day in (6, 7))
    predict(place, first, through_the_day(3, START + 13 * DAY), seed=99)
    live(place, 2)
    with place.ledger.write() as connection:
        steps = [change(1, START, None, 1), change(2, START + 9 * DAY, 1, 2)]
        connection.execute(sa.insert(tables.transitions), steps)
    tick(place, now=NOW)
    for one in incidents(place.ledger, MODEL):
        resolve(place.ledger, one, by="ana", reason="the feed is mended", at=NOW + HOUR)
    return place


@pytest.mark.parametrize(("until", "version", "ends_with"), [(7, 1, 1), (12, 1, 1 + 1), (14, 2, 2)])
def test_a_week_is_told_of_what_answered_it(succeeded: Workspace, until: int, version: int, ends_with: int) -> None:
    found = of(succeeded, START + until * DAY)
    assert (found.version.number, found.rollout.live, found.live) == (version, ends_with, 2)
    assert found.found is not None
    page = sheet(found, NOW)
    assert page.state == f"version {ends_with} was live at its end"
    text = markdown(page)
    assert f"late@{ends_with}" in text.split("## What was live")[1]
    assert "answered nothing" not in text
    assert sum(found.rungs.values()) == found.answers == sum(found.by_version.values())


def test_in_the_week_of_a_promotion_every_version_s_answers_are_counted(succeeded: Workspace) -> None:
    found = of(succeeded, START + 14 * DAY)
    assert found.by_version == {2: 1000, 1: 483}
    text = markdown(sheet(found, NOW))
    assert "1,000 late@2, 483 late@1" in text
    assert "1,483 full" in text
    assert "late@2, which answered most" in text


def test_an_incident_was_open_at_the_end_of_a_week_whatever_became_of_it(succeeded: Workspace) -> None:
    (incident,) = incidents(succeeded.ledger, MODEL)
    assert not incident.live
    found = of(succeeded, START + 7 * DAY)
    assert found.open == 1
    assert sheet(found, NOW).lead.endswith("1 incident was open at its end.")
    assert f"outlast incident {incident.id}" not in markdown(sheet(found, NOW))  # there is nothing more to do
    assert of(succeeded, START + 6 * DAY).open == 0
    lead = sheet(of(succeeded, START + 28 * DAY), NOW).lead
    assert lead == "late answered nothing this week. No incident was open at its end."  # it was closed before


def test_a_week_before_anything_was_live_says_so(succeeded: Workspace) -> None:
    found = of(succeeded, START)
    assert (found.version.number, found.rollout.live, found.answers) == (2, None, 0)
    page = sheet(found, NOW)
    assert page.state == "nothing was live at its end"
    assert "Nothing is live" not in markdown(page)  # today something is


def test_a_long_line_of_an_incident_ends_with_a_whole_word(watched: Workspace) -> None:
    (incident,) = incidents(watched.ledger, MODEL)
    reason = "because the feed of the wind was " + "mended and " * 20 + "then left alone"
    with watched.ledger.write() as connection:
        keeping.note(connection, incident.id, "note", reason, at=NOW + 2 * HOUR)
    (cell,) = [row[-1] for part in sections.incidents(of(watched)).parts for row in part.rows]
    assert len(cell) <= 160
    assert cell.endswith((" mended …", " and …"))


def test_a_page_that_cannot_be_written_is_called_a_page(watched: Workspace, tmp_path: Path) -> None:
    page = paper(of(watched), NOW, pictures=False)
    for name in ("week.html", "week.md"):
        with pytest.raises(StorageError, match="Could not write the page"):
            put(page, tmp_path / "not there" / name)


def test_the_page_names_its_first_and_last_day_and_the_command_the_day_after(watched: Workspace) -> None:
    page = sheet(of(watched), NOW)
    assert page.title == "late: the week from 2013-07-08 to 2013-07-14"
    assert "`outlast weekly late --until 2013-07-15`, which names the day after the last." in page.note
