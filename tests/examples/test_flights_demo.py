"""The demo in small: half a day of July through a real server, by the same code, on two months and with few trees."""

import json
import os
import shutil
from contextlib import closing
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
from outlast.monitoring.skew import audit
from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace
from outlast.registry.served import history
from outlast.serving.alive import Alive

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"
BEGIN, START, END = (datetime(2013, month, day, tzinfo=UTC) for month, day in ((5, 1), (7, 1), (7, 3)))
LENGTH = timedelta(hours=12)
TREES = ('"n_estimators": 100, "learning_rate": 0.08', '"n_estimators": 20, "learning_rate": 0.3')


def modules() -> tuple[ModuleType, ...]:
    """The example's scripts, which import each other by their own names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return tuple(import_module(name) for name in ("prepare", "replay", "figures", "demo"))


prepare, replay, figures, demo = modules()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example whose tables span nine weeks and whose model has a fifth of the trees."""
    copy = tmp_path_factory.mktemp("demo") / "flights"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".outlast*", "data", "__pycache__"))
    model = (copy / "model.py").read_text()
    assert TREES[0] in model
    (copy / "model.py").write_text(model.replace(*TREES))
    raw = prepare.read_package()
    whole = prepare.past(prepare.tables(raw, prepare.timetable(raw)), END)
    since = {name: pl.col(prepare.HAPPENS[name]) >= BEGIN for name in whole if name != "planes"}
    year = {name: table.filter(since.get(name, True)) for name, table in whole.items()}
    prepare.write(year, copy / "data" / "year")
    prepare.write(prepare.past(year, START), copy / "data")
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
        for name, value in replaced.items():
            patch.setattr(demo, name, value)
        demo.story(folder, LENGTH)
        out.seek(0)
        return out.read()


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    return told(folder, command=command)


@pytest.fixture
def project(folder: Path, said: str) -> Project:
    """The project after the demo."""
    return load_project(folder)


@pytest.fixture(scope="module")
def happened(folder: Path) -> list[Any]:
    found: list[Any] = replay.moments(load_project(folder).model, folder / "data" / "year", START, START + LENGTH)
    return found


def asked_in_files(folder: Path) -> pl.DataFrame:
    flights = pl.read_parquet(folder / "data" / "year" / "flights.parquet")
    return flights.filter(pl.col("decide_at").is_between(START, START + LENGTH, closed="left"))


def landings_in_files(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "data" / "year" / "landings.parquet")


def test_nothing_is_told_before_it_was_known_or_later_than_needed(happened: list[Any]) -> None:
    lags = {"landings": ("landed_at", 5), "departures": ("departed_at", 5), "weather": ("observed_at", 20)}
    before = START
    for moment in happened:
        assert moment.at >= before
        for source, rows in moment.facts.items():
            column, lag = lags[source]
            known = [datetime.fromisoformat(row[column]) + timedelta(minutes=lag) for row in rows]
            assert known == sorted(known)
            assert known[-1] <= moment.at
            assert known[0] > before or before == START
        assert all(datetime.fromisoformat(row["known_at"]) <= moment.at for row in moment.labels)
        assert all(datetime.fromisoformat(row["decide_at"]) == moment.at for row in moment.questions)
        before = moment.at


def test_every_flight_is_asked_about_once_and_every_landing_told(folder: Path, happened: list[Any]) -> None:
    asked = asked_in_files(folder)
    keys = [row["flight_id"] for moment in happened for row in moment.questions]
    assert sorted(keys) == sorted(asked["flight_id"])
    landed = landings_in_files(folder).join(asked, on="flight_id", how="semi")
    told = {row["key"]: row["value"] for moment in happened for row in moment.labels}
    assert told == dict(landed.select("flight_id", pl.col("arr_delay") > 30).iter_rows())
    asks = {"flight_id", "decide_at", "origin", "dest", "carrier", "tailnum", "distance", "scheduled_at"}
    assert set(happened[0].questions[0]) == asks


def test_what_was_served_is_what_the_facts_give(project: Project) -> None:
    """The store knew only what was posted; the audit reads the files and the journal by the time rule."""
    found = audit(project.workspace, project.model.name, sample=200)
    assert (found.looked_at, found.differ, found.unread) == (200, 0, ())
    assert {one.rows for one in found.columns} == {200}


def test_the_audit_sees_readings_that_came_after_their_answers(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "flights"
    shutil.copytree(project.folder, copy)
    weather = pl.read_parquet(copy / "data" / "year" / "weather.parquet")
    hours = pl.col("observed_at").is_between(START, START + LENGTH)
    changed = weather.filter(hours).with_columns(visib=pl.col("visib") + 1)
    place = Workspace.find(copy)
    with Journal(place) as journal:
        Ingest(place, journal).take("weather", changed, at=datetime.now(UTC))
    wrong = [one for one in audit(place, project.model.name, sample=50).columns if one.differ]
    assert [(one.column, one.source, one.other_code) for one in wrong] == [("visib", "weather", 0)]
    assert wrong[0].late == wrong[0].differ >= 40
    place.ledger.dispose()


def test_every_answer_and_label_is_in_the_journal(project: Project, happened: list[Any]) -> None:
    joined = reading.joined(project.workspace, project.model.name).collect()
    asked = asked_in_files(project.folder)
    assert sorted(joined["key"]) == sorted(asked["flight_id"])
    assert set(joined["rung"]) == {"full"}
    never = joined.filter(pl.col("value").is_null())["key"]
    landed = landings_in_files(project.folder)["flight_id"]
    assert set(never) == set(asked["flight_id"]) - set(landed)
    assert len(never) > 0


def test_the_demo_leaves_everything_stopped_and_sealed(project: Project) -> None:
    workspace = project.workspace
    assert list((workspace.home / "servers").glob("*")) == []
    assert [path for path in workspace.log_root.rglob("*") if path.is_file()] == []
    (span,) = history(workspace.ledger, project.model.name)
    assert span.until is not None


def test_the_figures_are_those_of_the_journal(project: Project, said: str) -> None:
    joined = reading.joined(project.workspace, project.model.name).collect()
    landed = joined.drop_nulls("value")
    payoff = {("rebook", "true"): 720, ("rebook", "false"): -300, ("wait", "true"): 0, ("wait", "false"): 0}
    worth = sum(payoff[row] for row in landed.select("decision", "value").iter_rows())
    assert f"{worth:+,.0f} USD" in said
    assert f"{joined.height:,} flights. {landed.height:,} landed" in said
    (day,) = audited(project.workspace.ledger, project.model.name)
    assert (day.answers, day.looked_at) == (joined.height, min(500, joined.height))
    assert f"{day.looked_at} answers computed again from the facts as known then: " in said
    assert f"{day.looked_at * day.features:,} values, 0 different" in said


def test_the_server_stops_with_the_demo(project: Project, said: str) -> None:
    """While it runs it answers the line that the demo shows, and refuses in a sentence what it cannot answer."""
    line = next(line for line in said.splitlines() if line.startswith("curl"))
    row = json.loads(line.partition("-d '")[2].rstrip("'"))
    seen: list[str] = []

    def interrupted() -> None:
        with demo.server(project.folder) as address, closing(replay.Caller(address)) as caller:
            seen.append(address)
            assert caller.post("/predict/late-arrivals", row)["rung"] == "full"
            with pytest.raises(RuntimeError, match="distance"):
                caller.post("/predict/late-arrivals", {**row, "distance": "far"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with closing(replay.Caller(seen[0])) as caller, pytest.raises(ConnectionRefusedError):
        caller.get("/livez")


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
