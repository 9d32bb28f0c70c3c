"""Commands that judge versions: gate, compare, load-test."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.gates.loadtest import LoadTest


def gate(model: str = places.MODEL, json: bool = places.JSON, quiet: bool = places.QUIET) -> None:
    """Put every check to a version, and keep the verdict."""
    from outlast.cli import telling
    from outlast.control.operations import GATE
    from outlast.control.shapes import About

    with screen.Progress(quiet or json) as watcher:
        verdict = places.ask(GATE, About(places.meant(model)), watcher)
    if json:
        screen.as_json({**vars(verdict), "passed": verdict.passed})
    else:
        telling.verdict(verdict)
    if not verdict.passed:
        raise typer.Exit(3)


def compare(
    model: str = typer.Argument(
        None, help="A version, as NAME@7; alone, it is held against what is live. If left out, the newest."
    ),
    other: str = typer.Argument(None, help="The version held against it, as NAME@8."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Hold two versions against each other on the same rows."""
    from outlast.cli.comparing import compared
    from outlast.control.operations import COMPARE
    from outlast.control.shapes import Comparing

    with screen.Progress(quiet or json) as watcher:
        found = places.ask(COMPARE, Comparing(places.meant(model), other), watcher)
    if json:
        screen.as_json(found.plain())
    else:
        compared(found)


def load_test(
    model: str = places.MODEL,
    rate: float = typer.Option(None, "--rate", min=0.1, help="Requests a second; left out, the contract's."),
    seconds: float = typer.Option(30.0, "--seconds", min=1.0, help="How long."),
    url: str = typer.Option(None, "--url", help="A server that runs; left out, one is made for the version."),
    picture: Path = typer.Option(None, "--picture", help="Draw the times into this file, .svg or .png."),
    json: bool = places.JSON,
    quiet: bool = places.QUIET,
) -> None:
    """Ask a version at a rate, timed from when each request is due."""
    from outlast.gates.loadtest import Asked, drawable, load_test
    from outlast.gates.loadtest import picture as draw
    from outlast.registry.versions import find
    from outlast.settings import Settings

    if picture is not None:
        drawable(picture)
    place = places.workspace()
    version = find(place.ledger, places.model_ref(model, place))
    asked = Asked(rate, seconds, None if url is None else url.rstrip("/"), Settings.read().token)
    with screen.Bar(quiet or json) as bar:
        bar.total(None, of="answers")
        found = load_test(place, version, asked, now=places.at(), told=bar.advance)
    if picture is not None:
        draw(found, picture)
    if json:
        screen.as_json({**vars(found), "held": found.held})
    else:
        _tell(found, picture)
    if not found.held:
        raise typer.Exit(3)


def _tell(found: "LoadTest", picture: Path | None) -> None:
    from outlast.types import counted

    print(f"{found.version} on {found.where}: {counted(found.requests, 'request')} at {found.rate:g} a second, "
          f"in {found.seconds:.1f} s")  # fmt: skip
    screen.line("answered", f"{found.answered:,}; {_failures(found)}")
    if found.took:
        screen.line("took", ", ".join(f"{name} {screen.number(ms, 3)} ms" for name, ms in found.took.items()))
    if found.promised is not None:
        share = found.late / found.requests
        screen.line("promised", f"p99 {screen.number(found.promised, 3)} ms; {found.late:,} later, {share:.2%}")
    screen.line("rungs", ", ".join(f"{name} {count:,}" for name, count in found.rungs.items()) or "none")
    if found.per_1000 is not None:
        screen.line("cost", f"{screen.number(found.per_1000, 3)} CPU seconds for 1,000 answers")
    if found.memory is not None:
        screen.line("memory", f"{found.memory / 1e6:,.0f} MB at the most")
    for remark in found.remarks:
        screen.line("but", remark)
    if picture is not None:
        screen.line("picture", picture)


def _failures(found: "LoadTest") -> str:
    return ", ".join(f"{count:,} got {status}" for status, count in found.failed.items()) or "none failed"
