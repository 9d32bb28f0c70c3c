"""A year on real data: from raw tables to a live model that is watched, goes wrong, is retrained and held to account.

    python examples/flights/demo.py [--days 184]        which is what `make demo` runs

It starts in a fresh workspace (one that is there already is moved to .outlast.before), on July 1, 2013 by a clock of
its own, and lives through the rest of that year through a real server. It leaves the server stopped and the workspace
whole: `outlast up` here goes on with it.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from duty import Duty
from figures import announced, go_on, lived_said, told
from prepare import HAPPENS, TODAY, prepare, write
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from outlast.clock import Hand, telling
from outlast.project.loader import Project, load_project
from outlast.project.position import clock_file
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version, find
from outlast.replaying.faults import read_faults
from outlast.replaying.run import Listeners, Plan, Told, replay
from outlast.replaying.sending import Lanes
from outlast.replaying.server import started
from outlast.retraining.tick import Done
from outlast.serving.alive import dead
from outlast.types import ModelRef

HERE = Path(__file__).resolve().parent
START = datetime.fromisoformat(TODAY).replace(tzinfo=UTC)
OUTLAST = (sys.executable, "-m", "outlast")
QUIET = {"MLFLOW_TRACKING_URI": "off"}
"""MLflow's mirror has nothing to add to a story, and takes seconds a tick."""
STEP, WORKERS = timedelta(minutes=30), 2
"""What lies within half an hour is told together: as long as the feeds of landings and departures may take."""
EVERY = timedelta(days=2)
"""How often somebody ticks, in the story: a tick takes two or three seconds, and there is half a year of them."""
console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


@dataclass
class Lived:
    """What came of the year: the version frozen at its begin, what was told, and who did what about it."""

    frozen: Version
    told: Told
    duty: Duty
    until: datetime


def main() -> None:
    """Runs the story and says how long it took."""
    parser = argparse.ArgumentParser(
        description="From raw tables to a live, watched model, through a year of real data."
    )
    parser.add_argument("--days", type=float, default=184.0, help="days from July 1 on to live through (default: 184)")
    days = parser.parse_args().days
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: whatever was started is stopped
    began = time.perf_counter()
    try:
        story(HERE, timedelta(days=days))
    except KeyboardInterrupt:
        sys.exit("\nStopped; the server too. `make demo` starts anew.")
    console.print(f"\nThe demo took {time.perf_counter() - began:.0f} s.")


def story(folder: Path, length: timedelta) -> None:
    """From the package's tables to what the year came to."""
    os.environ.update(QUIET)
    chapter("1 · Real data, honest times")
    fresh_start(folder)
    prepared(folder)
    clock_file(Workspace.find(folder)).parent.mkdir(exist_ok=True)
    with telling(clock_file(Workspace.find(folder)), START) as hand:
        chapter("2 · July 1, 2013: train on January to June")
        command(folder, "check")
        command(folder, "train")
        chapter("3 · Let it out")
        command(folder, "promote", "late-arrivals", "--reason", "first version, by the demo")
        chapter("4 · Live through the rest of the year")
        project = load_project(folder)
        lived = lived_through(project, hand, START + length)
        chapter("5 · The last tick")
        command(folder, "tick")
        chapter("6 · What the year came to")
        told(project, lived.frozen, lived.until, lived.duty.done, console)
        chapter("7 · Go on")
        go_on(project, console)


def chapter(title: str) -> None:
    """A heading."""
    console.rule(f"[bold]{title}", align="left")
    console.print()


def fresh_start(folder: Path) -> None:
    """An empty workspace; one that is there is kept aside, since a second replay in it would count every day twice."""
    home, aside = folder / ".outlast", folder / ".outlast.before"
    if not home.exists():
        return
    killed = {one.server for one in dead(Workspace.find(folder))}
    if alive := {path.stem for path in (home / "servers").glob("*.alive")} - killed:
        sys.exit(f"A server still runs in {folder} ({', '.join(sorted(alive))}): stop it, then start the demo again")
    if aside.exists():
        shutil.rmtree(aside)
    home.rename(aside)
    console.print(f"Starting in a fresh workspace; the one that was here is now {aside.name}/.")


def prepared(folder: Path) -> None:
    """The tables: made when they are not there, else cut back to what was known on July 1."""
    data = folder / "data"
    if all((data / "year" / f"{name}.parquet").exists() for name in HAPPENS):
        year = {name: pl.scan_parquet(data / "year" / f"{name}.parquet") for name in HAPPENS}
        write({name: table.filter(pl.col(HAPPENS[name]) < START).collect() for name, table in year.items()}, data)
        console.print(f"The tables are there already ({data.name}/): `python prepare.py` would make them anew.")
    else:
        prepare(data, START, console)
    console.print()


def command(folder: Path, *words: str) -> None:
    """Runs an outlast command as a person in this folder would, or ends the demo where it fails."""
    console.print(f"[bold]$ outlast {shlex.join(words)}")
    done = subprocess.run([*OUTLAST, *words], cwd=folder, check=False)
    if done.returncode:
        sys.exit(f"`outlast {shlex.join(words)}` ended with {done.returncode}, so the demo ends here")
    console.print()


def lived_through(project: Project, hand: Hand, until: datetime) -> Lived:
    """The rest of the year, told to a server as it happened, with faults that are announced before."""
    folder, model = project.folder, project.model.name
    faults = read_faults(folder / "faults.toml")
    announced([one for one in faults if one.since < until], console)
    duty = Duty(project.workspace, model, faults)
    plan = Plan(START, until, EVERY, STEP, history=folder / "data" / "year", faults=faults, grow=True)
    frozen = find(project.workspace.ledger, ModelRef(model, "live"))
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with (
        started(project.workspace, folder, WORKERS) as address,
        closing(Lanes(address, 4)) as lanes,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task("", total=(until - START).total_seconds())

        def moved(so_far: Told) -> None:
            said = f"{so_far.at:%d %B}  {so_far.questions:,} asked, {so_far.labels:,} landed"
            progress.update(task, completed=(so_far.at - START).total_seconds(), description=said)

        def ticked(at: datetime, done: list[Done]) -> None:
            for one in done:
                if one.job in ("retrain", "rollout") and one.did and not one.sentence.startswith("no successor"):
                    console.print(f"[dim]{at:%d %B}  {one.sentence}", markup=True)
            duty.look(at)

        story = replay(project, plan, hand, lanes, listeners=Listeners(moved, ticked))
    console.print("The server is stopped.\n")
    lived_said(story, console)
    return Lived(frozen, story, duty, until)


if __name__ == "__main__":
    main()
