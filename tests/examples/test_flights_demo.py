"""The demo in small: a day and a half of July through a real server, by the same code, on two months and few trees."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from outlast.cli import main
from outlast.journal import reading
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.monitoring.audits import audited
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.judge import Finding
from outlast.monitoring.skew import audit
from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace
from outlast.registry.served import history
from outlast.registry.versions import find
from outlast.replaying.faults import Fault
from outlast.serving.alive import Alive
from outlast.types import ModelRef

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"
BEGIN, START, END = (datetime(2013, month, day, tzinfo=UTC) for month, day in ((5, 1), (7, 1), (7, 4)))
LENGTH = timedelta(hours=38)
DAY = timedelta(days=1)
TREES = ('"n_estimators": 100, "learning_rate": 0.08', '"n_estimators": 20, "learning_rate": 0.3')


def modules() -> tuple[ModuleType, ...]:
    """The example's scripts, which import each other by their own names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return tuple(import_module(name) for name in ("prepare", "year", "duty", "picture", "figures", "demo"))


prepare, year, duty, picture, figures, demo = modules()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, raw: Any, dated: pl.DataFrame) -> Path:
    """A copy of the example whose tables span nine weeks and whose model has a fifth of the trees."""
    copy = tmp_path_factory.mktemp("demo") / "flights"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".outlast*", "data", "__pycache__"))
    model = (copy / "model.py").read_text()
    assert TREES[0] in model
    (copy / "model.py").write_text(model.replace(*TREES))
    whole = prepare.past(prepare.tables(raw, dated), END)
    since = {name: pl.col(prepare.HAPPENS[name]) >= BEGIN for name in whole if name != "planes"}
    prepare.write({name: table.filter(since.get(name, True)) for name, table in whole.items()}, copy / "data" / "year")
    return copy


def command(folder: Path, *words: str, extra: dict[str, str] | None = None) -> None:
    """What the demo has a process of its own for, done in this one, by the gate's quick form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in (extra or {}).items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main(words)
        assert not end.value.code, words


def told(folder: Path, **replaced: Any) -> str:
    """The demo, run; what it said of itself."""
    with pytest.MonkeyPatch.context() as patch, (folder / "said").open("w+") as out:
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        patch.setattr(demo.console, "file", out)
        patch.setattr(demo, "WORKERS", 1)
        for name, value in replaced.items():
            patch.setattr(demo, name, value)
        demo.story(folder, LENGTH)
        out.seek(0)
        return " ".join(out.read().split())


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    return told(folder, command=command)


@pytest.fixture
def project(folder: Path, said: str) -> Project:
    """The project after the demo."""
    return load_project(folder)


def asked_in_files(folder: Path) -> pl.DataFrame:
    flights = pl.read_parquet(folder / "data" / "year" / "flights.parquet")
    return flights.filter(pl.col("decide_at").is_between(START, START + LENGTH, closed="left"))


def landings_in_files(folder: Path) -> pl.DataFrame:
    """Those that were known when the story ended."""
    landings = pl.read_parquet(folder / "data" / "year" / "landings.parquet")
    return landings.filter(pl.col("landed_at") + timedelta(minutes=30) < START + LENGTH)


def test_what_was_served_is_what_the_facts_give(project: Project) -> None:
    """The store knew only what was posted; the audit reads the files and the journal by the time rule."""
    found = audit(project.workspace, project.model.name, sample=200)
    assert (found.looked_at, found.differ, found.unread) == (200, 0, ())
    assert {one.rows for one in found.columns} == {200}


def test_the_audit_sees_readings_that_came_after_their_answers(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "flights"
    shutil.copytree(project.folder, copy)
    weather = pl.read_parquet(copy / "data" / "year" / "weather.parquet")
    hours = pl.col("observed_at").is_between(START, START + timedelta(hours=12))
    changed = weather.filter(hours).with_columns(visib=pl.col("visib") + 1)
    place = Workspace.find(copy)
    with Journal(place) as journal:
        Ingest(place, journal).take("weather", changed, at=datetime.now(UTC))
    audited = audit(place, project.model.name, since=START, until=START + timedelta(hours=12), sample=50)
    wrong = [one for one in audited.columns if one.differ]
    assert [(one.column, one.source, one.other_code) for one in wrong] == [("visib", "weather", 0)]
    assert wrong[0].late == wrong[0].differ >= 40
    place.ledger.dispose()


def test_every_answer_and_label_is_in_the_journal_at_the_storys_moments(project: Project) -> None:
    joined = reading.joined(project.workspace, project.model.name).collect()
    asked = asked_in_files(project.folder)
    assert sorted(joined["key"]) == sorted(asked["flight_id"])
    assert set(joined["rung"]) == {"full"}
    never = joined.filter(pl.col("value").is_null())["key"]
    assert set(never) == set(asked["flight_id"]) - set(landings_in_files(project.folder)["flight_id"])
    assert len(never) > 0
    late = joined["at"] - joined["decide_at"]
    assert timedelta(0) <= late.min() <= late.max() < demo.STEP  # type: ignore[operator]


def test_the_demo_leaves_everything_stopped_and_sealed(project: Project) -> None:
    workspace = project.workspace
    assert list((workspace.home / "servers").glob("*")) == []
    assert [path for path in workspace.log_root.rglob("*.log") if path.is_file()] == []
    (span,) = history(workspace.ledger, project.model.name)
    assert span.until is not None
    assert (span.until - START) <= LENGTH, "its moments are the story's"


def test_the_figures_are_those_of_the_journal(project: Project, said: str) -> None:
    joined = reading.joined(project.workspace, project.model.name).collect()
    landed = joined.drop_nulls("value")
    payoff = {("rebook", "true"): 720, ("rebook", "false"): -300, ("wait", "true"): 0, ("wait", "false"): 0}
    worth = sum(payoff[row] for row in landed.select("decision", "value").iter_rows())
    assert f"{worth:+,.0f} USD; +0 when nobody acts" in said
    assert f"{joined.height:,} flights. {landed.height:,} landed" in said
    (day,) = audited(project.workspace.ledger, project.model.name)
    assert f"{day.looked_at} answers computed again from the facts as known then: " in said
    assert f"{day.looked_at * day.features:,} values, 0 different" in said
    assert "+0 USD against the model frozen in June (+0 to +0): the first version answered all along" in said
    assert (project.workspace.home / "year.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (project.workspace.home / "year.svg").read_bytes()[:300]


def test_the_frozen_version_is_asked_with_the_features_that_were_served(project: Project) -> None:
    """Answers of another version are replaced by what the frozen one says: here by what it had said itself."""
    name = project.model.name
    rows = reading.joined(project.workspace, name).select(
        "key", "version", "rung", "decision", "score", "asks", "features"
    ).collect()  # fmt: skip
    frozen = find(project.workspace.ledger, ModelRef(name, 1))
    others = rows.with_columns(version=pl.lit(2), decision=pl.lit("unknown"))
    assert year.decided(project, frozen, others).to_list() == rows["decision"].to_list()


@pytest.mark.parametrize(
    ("weeks", "says"),
    [
        ([100.0] * 20, "the loop gained, beyond chance"),
        ([-100.0] * 20, "the loop lost, beyond chance"),
        ([100.0, -90.0] * 10, "the loop gained, and it may be chance"),
        ([-100.0, 90.0] * 10, "the loop lost, and it may be chance"),
    ],
)
def test_a_loop_that_loses_is_said_to_lose(weeks: list[float], says: str) -> None:
    at = [START + 7 * DAY * number for number in range(len(weeks))]
    rows = pl.DataFrame({"decide_at": at, "worth": weeks, "frozen_worth": [0.0] * len(weeks)})
    assert says in figures.more_said(year.gain(rows), "USD")
    assert year.gain(rows) == year.gain(rows.sample(fraction=1, shuffle=True, seed=3)), "weeks are drawn in their order"


@pytest.fixture
def dewy(project: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy in which the dew point was found to be odd in the first day."""
    shutil.copytree(project.folder, tmp_path / "flights")
    copy = load_project(tmp_path / "flights")
    scope = Scope(copy.model.name, 1, "window", START, START + DAY, {"dewp": "weather"})
    finding = Finding("data-quality", "dewp", "page", "dewp is odd", 9.0)
    with copy.workspace.ledger.write() as connection:
        raise_findings(connection, scope, [finding], copy.contract, START + DAY)
    yield copy
    copy.workspace.ledger.dispose()


def test_a_fault_is_found_by_its_columns_and_not_before_it_began(dewy: Project) -> None:
    rows = reading.predictions(dewy.workspace, dewy.model.name).collect()
    before = Fault(name="a", source="weather", columns=["dewp"], since=START, null=True)
    after = before.model_copy(update={"since": START + 30 * DAY})
    then, never = year.found(dewy, [before, after], rows, START + 60 * DAY)
    assert (then.at, then.says) == (START + DAY, "dewp is odd")
    assert then.rows == rows.filter(pl.col("at") < START + DAY).height
    assert f"found after {then.rows:,} flights and 24 hours" in figures.fault_said(then, "USD")
    assert never.at is None
    assert "it was not found" in figures.fault_said(never, "USD")


def test_who_is_on_duty_calls_the_provider_while_something_is_broken_and_else_accepts_what_is_new(
    dewy: Project,
) -> None:
    broken = Fault(name="a", source="weather", columns=["dewp"], since=START, until=START + 20 * DAY, null=True)
    person = duty.Duty(dewy.workspace, dewy.model.name, [broken])
    for day in (2, 3, 10, 30):  # a day after the last look nobody looks, and what was acknowledged is left alone
        person.look(START + day * DAY)
    (one,) = [one for one in incidents(dewy.workspace.ledger, dewy.model.name) if one.cause == "source weather"]
    assert one.state == "accepted"
    assert person.done["acknowledged"] == person.done["accepted"] == 1


def test_a_workspace_that_is_there_is_kept_aside(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / ".outlast").mkdir()
        (tmp_path / ".outlast" / "ledger.db").write_text(content)
        demo.fresh_start(tmp_path)
        assert not (tmp_path / ".outlast").exists()
        assert (tmp_path / ".outlast.before" / "ledger.db").read_text() == content


def test_a_workspace_that_is_being_served_is_left_alone(tmp_path: Path) -> None:
    alive = Alive(Workspace(tmp_path), "somebody")
    with pytest.raises(SystemExit, match="A server still runs"):
        demo.fresh_start(tmp_path)
    assert (tmp_path / ".outlast").is_dir()
    alive.close()
    demo.fresh_start(tmp_path)
    assert not (tmp_path / ".outlast").exists()


@pytest.mark.slow
def test_its_commands_do_it_too_in_processes_of_their_own_through_the_whole_gate(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "flights"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".outlast*", "said"))
    assert "values, 0 different" in told(copy)


def test_a_command_that_fails_ends_the_demo(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="outlast train` ended with"):
        demo.command(tmp_path, "train")
    assert os.listdir(tmp_path) == []
