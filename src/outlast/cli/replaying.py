"""The command that tells the past to a server: replay."""

import os
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from outlast.cli import places, screen
from outlast.errors import RequestError, SettingsError

if TYPE_CHECKING:
    from outlast.project.loader import Project
    from outlast.replaying.run import Plan, Told


def replay(
    model: str = places.MODEL,
    since: str = typer.Option(None, "--since", help="Where the story begins; else where the last replay came to."),
    until: str = typer.Option(..., "--until", help="Where it ends, such as 2014-01-01; UTC."),
    history: Path = typer.Option(
        None, "--history", help="A folder with the tables of the whole past, named as the sources' own files are."
    ),
    every: str = typer.Option("1d", "--every", help="How often to tick, in the story's time; off for never."),
    step: str = typer.Option(
        None, "--step", help="Tell all that lies within so long together; else each question at its own moment."
    ),
    speed: float = typer.Option(None, "--speed", min=0.001, help="Seconds of the story in one of ours, at most."),
    faults: Path = typer.Option(None, "--faults", help="A file of faults that are put into what is told."),
    grow: bool = typer.Option(
        False, "--grow", help="Add what is asked to where the questions lie, as a warehouse does, to retrain on."
    ),
    workers: int = typer.Option(1, "--workers", min=1, help="Processes of the server."),
    url: str = typer.Option(None, "--url", help="A server that goes by OUTLAST_CLOCK already; else one is started."),
    json: bool = places.JSON,
) -> None:
    """Tell the past to a server as it happened.

    With ticks between, on a clock of its own.
    """
    from outlast.replaying.faults import read_faults
    from outlast.replaying.run import Plan
    from outlast.replaying.strangers import refuse_strangers
    from outlast.types import duration, utc

    project = _project(model)
    end = places.moment_of(until)
    assert end is not None
    plan = Plan(
        utc(_begin(project, since)),
        utc(end),
        None if every == "off" else duration(every),
        None if step is None else duration(step),
        speed,
        history,
        () if faults is None else read_faults(faults),
        max(4, 2 * workers),
        grow,
    )
    if grow and history is None:
        raise RequestError("--grow takes what is asked from --history: give the folder of the whole past")
    if plan.since >= plan.until:
        raise SettingsError(
            f"The story would begin at {plan.since:%Y-%m-%d %H:%M}, after its end: give a later --until"
        )
    refuse_strangers(project.workspace, project.model.name)
    told, seconds = _replayed(project, plan, workers, url, json)
    _say(project, plan, told, seconds, json)
    if told.failed:
        raise typer.Exit(1)


def _project(model: str | None) -> "Project":
    """The model's project: this folder's, or the one that was trained here under that name."""
    from outlast.project.loader import load_project
    from outlast.registry.declarations import folder_of

    place = places.workspace()
    name = places.model_ref(model, place).name
    return load_project(folder_of(place, name) or Path.cwd(), place)


def _begin(project: "Project", since: str | None) -> datetime:
    """Where it was said to begin; else where the last one came to, or what the clock says that is set."""
    from outlast.clock import VARIABLE
    from outlast.project import position

    given = places.moment_of(since)
    before = position.find(project.workspace, project.model.name)
    if given is not None:
        return given
    if before is not None:
        return before.until
    if VARIABLE in os.environ:
        return places.at()
    raise RequestError("Nothing says where the story begins: give --since, such as --since 2013-07-01")


def _replayed(project: "Project", plan: "Plan", workers: int, url: str | None, quiet: bool) -> tuple["Told", float]:
    from time import perf_counter

    from outlast.clock import VARIABLE, telling
    from outlast.project.position import clock_file
    from outlast.replaying.run import Listeners, replay, stretch_of
    from outlast.replaying.sending import Lanes
    from outlast.replaying.server import started
    from outlast.settings import Settings

    if url is not None and VARIABLE not in os.environ:
        raise RequestError(f"--url names a server: set {VARIABLE} to the clock that it goes by, here as there")
    begin, stretch = perf_counter(), stretch_of(project, plan)
    file = Path(os.environ[VARIABLE]) if VARIABLE in os.environ else clock_file(project.workspace)
    with ExitStack() as opened:
        hand = opened.enter_context(telling(file, stretch.since))
        address = url or opened.enter_context(started(project.workspace, project.folder, workers))
        lanes = Lanes(address, plan.lanes, Settings.read().token)
        opened.callback(lanes.close)
        bar = opened.enter_context(screen.Bar(quiet))
        bar.total(int((stretch.until - stretch.since).total_seconds()), f"{stretch.since:%Y-%m-%d}")
        before = stretch.since

        def moved(told: "Told") -> None:
            nonlocal before
            bar.advance(int((told.at - before).total_seconds()), f"{told.at:%Y-%m-%d %H:%M}")
            before = told.at

        try:
            done = replay(project, plan, hand, lanes, listeners=Listeners(moved))
        except KeyboardInterrupt:
            _stopped(project, 130)
        except SystemExit as end:  # told to end
            _stopped(project, int(end.code or 0))
    return done, perf_counter() - begin


def _stopped(project: "Project", code: int) -> None:
    from outlast.project import position

    came = position.find(project.workspace, project.model.name)
    at = "before the story began" if came is None else f"at {came.until:%Y-%m-%d %H:%M} of the story"
    screen.sentence(f"Stopped {at}: the same command goes on from there")
    raise typer.Exit(code)


def _say(project: "Project", plan: "Plan", told: "Told", seconds: float, json: bool) -> None:
    from outlast.types import counted

    slow = sorted(told.seconds)
    p50, p99 = (1000 * slow[int(part * (len(slow) - 1))] if slow else None for part in (0.5, 0.99))
    if json:
        found: dict[str, Any] = {key: value for key, value in vars(told).items() if key != "seconds"}
        faults = [one.sentence for one in plan.faults]
        screen.as_json({"model": project.model.name, "took_s": seconds, "p50_ms": p50, "p99_ms": p99, "faults": faults}
                       | found)  # fmt: skip
        return
    for one in plan.faults:
        screen.line("fault", one.sentence)
    facts, labels = counted(told.facts, "fact"), counted(told.labels, "label")
    asked, ticks = counted(told.questions, "question"), counted(told.ticks, "tick")
    screen.sentence(f"{project.model.name} was told {facts} and {labels} and asked {asked}, with {ticks}, up to "
                    f"{told.at:%Y-%m-%d %H:%M} of the story, in {seconds:,.0f} s")  # fmt: skip
    if refused := told.rungs.get("refused"):
        screen.line("refused", f"{counted(refused, 'question')} got no answer")
    for job, sentence in told.failed.items():
        screen.line("failed", f"{job}: {sentence}")
