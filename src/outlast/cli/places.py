"""Where a command acts: the workspace around this folder, who asks, and which model is meant."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outlast.errors import NotFound
from outlast.settings import Settings
from outlast.types import ModelRef, now

if TYPE_CHECKING:
    from outlast.project.workspace import Workspace

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
REASON = typer.Option("", "--reason", "-m", help="Why, in a sentence; kept in the history.")
MODEL = typer.Argument(None, help="The model, as NAME or NAME@VERSION; the only one of this workspace if left out.")


def workspace() -> "Workspace":
    """The workspace around the current folder."""
    from outlast.project.workspace import Workspace

    return Workspace.find(Path.cwd(), Settings.read())


def who() -> str:
    """Who acts, as the environment says; embedded, nobody checks it."""
    return Settings.read().who


def at() -> datetime:
    """The moment of the command."""
    return now()


def model_ref(text: str | None, place: "Workspace") -> ModelRef:
    """The model a command means: the one named, or the only one there is."""
    if text:
        return ModelRef.parse(text)
    from outlast.registry.versions import models

    known = models(place.ledger)
    if len(known) == 1:
        return ModelRef(known[0])
    if not known:
        raise NotFound(f"No model has been trained in {place.root}: train one with `outlast train`")
    raise NotFound(f"There are {len(known)} models here: name one of {', '.join(known)}")
