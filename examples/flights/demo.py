"""The whole road on real data: from raw tables to a live model that is watched, by the commands a person would type.

    python examples/flights/demo.py [--days 5]        which is what `make demo` runs

It starts in a fresh workspace (one that is there already is moved to .outlast.before), replays the first days of July
through a real server, and leaves the server stopped and the workspace whole: `outlast up` here goes on with it.
"""

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from figures import go_on, told
from prepare import HAPPENS, TODAY, prepare
from replay import Caller, Moment, Played, moments, play
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.alive import dead
from outlast.types import ModelRef

HERE = Path(__file__).resolve().parent
START = datetime.fromisoformat(TODAY).replace(tzinfo=UTC)
OUTLAST = (sys.executable, "-m", "outlast")
QUIET = {"MLFLOW_TRACKING_URI": "off"}
"""MLflow's mirror would run beside the replay and slow its answers down; the tick at the end mirrors everything."""
console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


def main() -> None:
    """Runs the story and says how long it took."""
    parser = argparse.ArgumentParser(description="From raw tables to a live, watched model, on real data.")
    parser.add_argument("--days", type=float, default=5.0, help="days of July to replay (default: 5)")
    days = parser.parse_args().days
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: whatever was started is stopped
    began = time.perf_counter()
    try:
        story(HERE, timedelta(days=days))
    except KeyboardInterrupt:
        sys.exit("\nStopped; the server too. `make demo` starts anew.")
    console.print(f"\nThe demo took {time.perf_counter() - began:.0f} s.")


def story(folder: Path, length: timedelta) -> None:
    """From the package's tables to what the watch says."""
    chapter("1 · Real data, honest times")
    fresh_start(folder)
    prepared(folder)
    chapter("2 · Train on January to June")
    command(folder, "check")
    command(folder, "train", extra=QUIET)
    chapter("3 · Let it out")
    command(folder, "promote", "late-arrivals", "--reason", "first version, by the demo", extra=QUIET)
    chapter("4 · Serve, and let July happen")
    project = load_project(folder)
    version = find(project.workspace.ledger, ModelRef(project.model.name, "live"))
    with server(folder) as address:
        played = replayed(project, address, length)
    console.print("The server is stopped.\n")
    chapter("5 · Watch")
    command(folder, "tick")
    command(folder, "monitor", project.model.name)
    chapter("6 · What happened")
    told(project, version, played, console)
    chapter("7 · Go on")
    go_on(project, played, console)


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
    """The tables, made when they are not there."""
    data = folder / "data"
    if all((place / f"{name}.parquet").exists() for place in (data, data / "year") for name in HAPPENS):
        console.print(f"The tables are there already ({data.name}/): `python prepare.py` would make them anew.")
    else:
        prepare(data, START, console)
    console.print()


def command(folder: Path, *words: str, extra: dict[str, str] | None = None) -> None:
    """Runs an outlast command as a person in this folder would, or ends the demo where it fails."""
    console.print(f"[bold]$ outlast {shlex.join(words)}")
    done = subprocess.run([*OUTLAST, *words], cwd=folder, env={**os.environ, **(extra or {})}, check=False)
    if done.returncode:
        sys.exit(f"`outlast {shlex.join(words)}` ended with {done.returncode}, so the demo ends here")
    console.print()


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """`outlast serve` on a free port of this machine, in a process of its own, stopped at the end in any case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    console.print(f"[bold]$ outlast serve --port {port}")
    log = folder / ".outlast" / "demo-server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*OUTLAST, "serve", "--port", str(port)],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the server in order
        )
    try:
        ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ready(address: str, process: "subprocess.Popen[bytes]", log: Path, patience: float = 60.0) -> None:
    """Waits until the server answers for a model."""
    deadline = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < deadline:
        with closing(Caller(address)) as caller, suppress(OSError):
            status, body = caller.get("/readyz")
            if status == 200:
                console.print(f"ready: {', '.join(f'{name}@{number}' for name, number in body['models'].items())}")
                return
        time.sleep(0.1)
    sys.exit(f"The server did not get ready; it said:\n{log.read_text(errors='replace')[-2000:]}")


def replayed(project: Project, address: str, length: timedelta) -> Played:
    """The first days of July, told to the server as they happened."""
    happened = moments(project.model, project.folder / "data" / "year", START, START + length)
    total = sum(len(moment.questions) for moment in happened)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with closing(Caller(address)) as caller, Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)

        def heard(moment: Moment, played: Played) -> None:
            facts = sum(played.facts.values())
            said = f"{moment.at:%d %B %H:%M}  {facts:,} facts in, {len(played.labels):,} landed"
            progress.update(task, completed=len(played.answers), description=said)

        return play(caller, project.model.name, happened, heard=heard)


if __name__ == "__main__":
    main()
