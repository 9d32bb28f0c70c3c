"""Serving from the command line: in this process, or in several below it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outlast.cli import collecting, places
from outlast.errors import SettingsError
from outlast.settings import Settings

if TYPE_CHECKING:
    from outlast.serving.workers.station import Station


@dataclass(frozen=True)
class Asked:
    """Where to answer."""

    host: str
    port: int
    grpc_port: int | None


def serve(asked: Asked, workers: int | None, *, every: float | None = None) -> None:
    """Answer until told to stop, and tick every so many seconds meanwhile."""
    from outlast.serving.workers.station import station

    settings = Settings.read()
    if asked.grpc_port is not None and asked.grpc_port == asked.port != 0:
        raise SettingsError(f"--grpc-port is {asked.port}, as --port is: gRPC needs a port of its own, such as 8001")
    here = station()
    leave = _seconds(settings.leave)
    of = workers or int(_number(settings.workers, "OUTLAST_WORKERS", "a whole number such as 2", whole=True) or 1)
    if here is None and of > 1:
        _supervise(asked, of, every, leave)
    else:
        _answer(asked, here, every, leave)


def _answer(asked: Asked, here: "Station | None", every: float | None, leave: float | None) -> None:
    """Answer in this process, alone or as one of several."""
    from outlast.serving.workers import threads

    threads.few()  # before any library that reads this is loaded
    from outlast.control.http import controls
    from outlast.registry.rollout import live
    from outlast.serving.logs import log_to_stderr
    from outlast.serving.server import serve as run

    place = places.workspace()
    log_to_stderr(place.settings.log_format, worker=None if here is None else here.slot + 1)
    collecting.usually()
    say, how = (_say, "") if here is None else (here.say, f" with {here.of} workers")

    def ready(address: str) -> None:
        names = [f"{one.model}@{one.live}" for one in live(place.ledger)]
        said = ", ".join(names) or "nothing yet: `outlast promote` makes a version live, and it is taken at once"
        say(f"Answering at {address}{how} (Ctrl-C stops): {said}")

    with _ticking(place.root, every), controls(place) as extra:
        port, grpc_port = (asked.port, asked.grpc_port) if here is None else (here.port, here.grpc_port)
        extra = replace(extra, grpc_port=grpc_port, station=here, leave=leave)
        run(place, asked.host, port, ready=ready, extra=extra)


def _supervise(asked: Asked, of: int, every: float | None, leave: float | None) -> None:
    """Let workers answer, each by the same command."""
    from outlast.serving.logs import log_to_stderr
    from outlast.serving.workers.supervisor import Address, Supervisor

    log_to_stderr(Settings.read().log_format)
    command = [sys.executable, "-P", "-m", "outlast", *(["--debug"] if "--debug" in sys.argv else []), "serve"]
    with _ticking(Path.cwd(), every):
        supervisor = Supervisor([*command, "--host", asked.host], of, _say, 40.0 + (leave or 0.0))
        raise typer.Exit(supervisor.run(Address(asked.host, asked.port, asked.grpc_port)))


@contextmanager
def _ticking(root: Path, every: float | None) -> Iterator[None]:
    if every is None:
        yield
        return
    from outlast.cli.ticking import ticking

    with ticking(root, every):
        yield


def _say(text: str) -> None:
    print(text, flush=True)


def _seconds(text: str | None) -> float | None:
    """OUTLAST_LEAVE, with a unit as other lengths have one, or without."""
    from outlast.types import duration

    if text is None:
        return None
    try:
        return duration(text).total_seconds()
    except SettingsError:
        return _number(text, "OUTLAST_LEAVE", "a length of time such as 5s")


def _number(text: str | None, name: str, expected: str, *, whole: bool = False) -> float | None:
    if text is None:
        return None
    try:
        found = int(text) if whole else float(text)
    except ValueError:
        found = -1
    if not int(whole) <= found < 100_000:
        raise SettingsError(f"{name} is '{text[:40]}': expected {expected}")
    return found
