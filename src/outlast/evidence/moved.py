"""Which sources lie elsewhere now than when a version was trained, as the project's files say, without running them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from outlast.data.sources import shown
from outlast.errors import OutlastError
from outlast.project.declare import Source
from outlast.project.loader import Code, read_code
from outlast.project.workspace import Workspace
from outlast.registry.declarations import folder_of
from outlast.registry.versions import Version


def moved(workspace: Workspace, version: Version) -> dict[str, str | None]:
    """The sources that lie elsewhere now, and where; None for one no longer declared.

    Where the project is not here or cannot be read, nothing is known; nor of a location that is more than a text.
    """
    folder = folder_of(workspace, version.model)
    if folder is None:
        return {}
    try:
        declared = _declared(read_code(folder, workspace.packages))
    except (OutlastError, SyntaxError):
        return {}
    found: dict[str, str | None] = {}
    for name, then in version.summary["sources"].items():
        if name not in declared:
            found[name] = None
        elif (now := _place(workspace, folder, name, declared[name])) not in (None, then.get("location")):
            found[name] = now
    return found


def _place(workspace: Workspace, folder: Path, name: str, location: str | None) -> str | None:
    bound = workspace.environment.sources.get(name) or workspace.declaration.sources.get(name)
    if location is None and bound is None:
        return None
    place = shown(workspace.location(Source(name, location or ""), folder))
    within = Path(place).is_relative_to(folder)
    return Path(place).relative_to(folder).as_posix() if within else place


def _declared(code: Code) -> dict[str, str | None]:
    """Each source by the name in its declaration, with its location where that is a plain text."""
    calls = (call for content in code.files.values() for call in _calls(ast.parse(content)))
    return {name: _text(call, 1, "location") for call in calls if (name := _text(call, 0, "name")) is not None}


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called == "Source":
                yield node


def _text(call: ast.Call, place: int, name: str) -> str | None:
    given = (
        call.args[place] if len(call.args) > place else next((k.value for k in call.keywords if k.arg == name), None)
    )
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
