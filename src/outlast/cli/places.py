"""Where a command acts: the workspace around this folder, who asks, and which model is meant."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outlast.errors import NotFound
from outlast.settings import Settings

if TYPE_CHECKING:
    from outlast.project.workspace import Workspace
    from outlast.types import ModelRef

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress.")
REASON = typer.Option("", "--reason", "-m", help="Why, in a sentence; kept in the history.")
MODEL = typer.Argument(None, help="The model, as NAME or NAME@VERSION; the only one of this workspace if left out.")


def workspace() -> "Workspace":
    """The workspace around the current folder; a folder that belongs to none is refused, so that none is made there."""
    from outlast.project.workspace import FILE, Workspace, require_project

    found = Workspace.find(Path.cwd(), Settings.read())
    if not (found.root / FILE).is_file():
        require_project(Path.cwd())
    return found


def who() -> str:
    """Who acts, as the environment says; embedded, nobody checks it."""
    return Settings.read().who


def at() -> datetime:
    """The moment of the command."""
    from outlast.types import now

    return now()


def model_ref(text: str | None, place: "Workspace") -> "ModelRef":
    """The model a command means: the one named, or the only one there is."""
    from outlast.registry.versions import models
    from outlast.types import ModelRef

    if text:
        return ModelRef.parse(text)
    known = models(place.ledger)
    if len(known) == 1:
        return ModelRef(known[0])
    if not known:
        raise NotFound(f"No model has been trained in {place.root}: train one with `outlast train`")
    raise NotFound(f"There are {len(known)} models here: name one of {', '.join(known)}")
