"""Where a command acts: the workspace around this folder, who asks, and which model is meant."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from outlast.errors import NotFound, SettingsError
from outlast.settings import Settings

if TYPE_CHECKING:
    from outlast.control.operations import Operation
    from outlast.project.workspace import Workspace
    from outlast.training.keeping import Keeper
    from outlast.types import ModelRef

R = TypeVar("R")

JSON = typer.Option(False, "--json", help="Print JSON for programs.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress.")
REASON = typer.Option("", "--reason", "-m", help="Why, in a sentence; kept in the history.")
MODEL = typer.Argument(
    None,
    help="The model, as NAME, or a version: NAME@7, or NAME@ with live, previous, latest or challenger; "
    "if left out, this folder's or the only one.",
)
SUBJECT = typer.Argument(
    None, metavar="[model|prediction]", help="NAME, NAME@VERSION, or a prediction's id; if left out, as elsewhere."
)

AS_OF = typer.Option(None, "--as-of", help="The moment whose knowledge counts, such as 2013-07-01T12:00; UTC.")


def workspace() -> "Workspace":
    """The workspace around the current folder; a folder that belongs to none is refused, so that none is made there."""
    from outlast.project.workspace import FILE, Workspace, require_project

    found = Workspace.find(Path.cwd(), Settings.read())
    if not (found.root / FILE).is_file():
        require_project(Path.cwd())
    return found


def server() -> str | None:
    """The server that changes what is live, where one is named; None: commands do it themselves."""
    from outlast.project.workspace import Workspace

    return Workspace.find(Path.cwd(), Settings.read()).server


def ask(operation: "Operation[Any, R]", arguments: Any, watcher: Any = None) -> R:
    """What an operation gives: done by the server that is named, or here."""
    address = server()
    if address is not None:
        from outlast.control.client import Server

        return Server(address, Settings.read().token).ask(operation, arguments, watcher)
    from importlib import import_module

    from outlast.control.acting import Acting

    does = import_module(f"outlast.control.{operation.room}").DO[operation.name]
    done: R = does(Acting(workspace(), who(), at(), watcher), arguments)
    return done


def keeper(place: "Workspace") -> "Keeper | None":
    """Who registers versions instead of this workspace: the server, where one is named."""
    address = server()
    if address is None:
        return None
    from outlast.control.client import Server
    from outlast.control.keeping import There

    return There(Server(address, Settings.read().token), place)


def meant(text: str | None) -> str | None:
    """The model a command means, as an operation takes it; None where the server knows which is the only one."""
    from outlast.project.workspace import Workspace, project_folder
    from outlast.types import ModelRef

    if server() is None:
        return str(model_ref(text, workspace()))
    if text:
        return str(ModelRef.parse(text))
    folder = project_folder(Path.cwd())
    return None if folder is None else _declared_in(folder, Workspace.find(folder, Settings.read()))


def meant_if_any(text: str | None) -> str | None:
    """The same, where no model means all of them: outside of projects, and where nothing was trained yet."""
    if server() is not None or text:
        return meant(text)
    from outlast.registry.versions import models

    place = workspace()
    return meant(None) if in_project() and models(place.ledger) else None


def where() -> str:
    """Where commands look: the server, or the workspace's folder."""
    address = server()
    return f"on {address}" if address else f"in {workspace().root}"


def who() -> str:
    """Who acts, as the environment says; embedded, nobody checks it."""
    return Settings.read().who


def at() -> datetime:
    """The moment of the command."""
    from outlast.types import now

    return now()


def moment_of(text: str | None) -> datetime | None:
    """A moment as people write it; one without a zone is in UTC."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"'{text}' is no moment: write one such as 2013-07-01 or 2013-07-01T12:00Z") from None


def period_of(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """A period as people write it; either end may be open."""
    from outlast.types import utc

    begin, end = moment_of(since), moment_of(until)
    if begin is not None and end is not None and utc(begin) >= utc(end):
        raise SettingsError(f"Nothing lies between --since {since} and --until {until}: give a later --until")
    return begin, end


def in_project() -> bool:
    """Whether we are in a project's folder, and not above the folders of several."""
    from outlast.project.workspace import project_folder

    return project_folder(Path.cwd()) is not None


def _declared_in(folder: Path, place: "Workspace") -> str:
    """The name in a folder's model.py, where the ledger knows several that were declared there."""
    from outlast.project.loader import load_project

    return load_project(folder, place).model.name


def model_wanted(text: str | None, place: "Workspace") -> "ModelRef":
    """The model a command means, which may never have been trained: the folder's own goes before the ledger's."""
    from outlast.project.workspace import project_folder
    from outlast.types import ModelRef

    folder = project_folder(Path.cwd())
    return ModelRef(_declared_in(folder, place)) if not text and folder is not None else model_ref(text, place)


def model_ref(text: str | None, place: "Workspace") -> "ModelRef":
    """The model a command means: the one named, that of the project's folder we are in, or the only one there is."""
    from outlast.project.workspace import project_folder
    from outlast.registry.declarations import models_of
    from outlast.registry.versions import models
    from outlast.types import ModelRef

    if text:
        return ModelRef.parse(text)
    known = models(place.ledger)
    if not known:
        raise NotFound(f"No model has been trained in {place.root}: train one with `outlast train`")
    folder = project_folder(Path.cwd())
    here = known if folder is None else models_of(place, folder)
    if len(here) == 1:
        return ModelRef(here[0])
    if folder is not None and not here:
        others = ", ".join(known)
        raise NotFound(f"The model in {folder} was never trained: `outlast train` does that, or name one of {others}")
    if folder is not None:
        return ModelRef(_declared_in(folder, place))
    raise NotFound(f"There are {len(known)} models here: name one of {', '.join(known)}")
