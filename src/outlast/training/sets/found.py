"""Which sets of features the code of a workspace declares, in shared packages and in its projects."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from outlast.errors import OutlastError
from outlast.project.declare import Features
from outlast.project.loader import Code, Project, load_module, load_project, read_packages
from outlast.project.workspace import Workspace, project_folder, project_folders


@dataclass(frozen=True, eq=False)
class Declared:
    """A set, the file that declares it, the folders its sources may lie beside, and the projects whose models read it.

    The first of `folders` is where it is read most likely.
    """

    shared: Features
    place: str
    folders: tuple[Path, ...]
    users: list[Project] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Found:
    """The sets of a workspace, and a sentence for each of its projects that cannot be loaded."""

    sets: list[Declared]
    unread: list[str]


def declared_sets(workspace: Workspace, here: Path) -> Found:
    """Every set that packages and projects declare, each once; the project of this folder has to load."""
    projects, unread = _projects(workspace, here)
    folders = tuple(project.folder for project in projects)
    found: dict[tuple[str, str], Declared] = {}
    for place, shared in _of_packages(workspace):
        above = (workspace.root / place).parent
        _keep(found, Declared(shared, place, (*folders, above, workspace.root)))
    for project in projects:
        for place, shared in _of_project(project):
            where = (project.folder / place).relative_to(workspace.root).as_posix()
            _keep(found, Declared(shared, where, (project.folder,)))
        for shared in project.model.sets:
            found[shared.name, shared.digest].users.append(project)
    return Found(list(found.values()), unread)


def _keep(found: dict[tuple[str, str], Declared], one: Declared) -> None:
    key = (one.shared.name, one.shared.digest)
    if key not in found:
        found[key] = one
    elif one.shared.examples and not found[key].shared.examples:
        found[key] = replace(one, users=found[key].users)


def _projects(workspace: Workspace, here: Path) -> tuple[list[Project], list[str]]:
    """The projects of the workspace, that of this folder first."""
    own = project_folder(here)
    projects = [] if own is None else [load_project(own, workspace)]
    unread = []
    for folder in project_folders(workspace):
        if folder == own:
            continue
        try:
            projects.append(load_project(folder, workspace))
        except OutlastError as error:
            unread.append(f"The project in {folder.relative_to(workspace.root)} cannot be loaded: {error}")
    return projects, unread


def _of_packages(workspace: Workspace) -> Iterator[tuple[str, Features]]:
    """The sets in the modules of shared packages; one that never says Features is not executed."""
    if not workspace.packages:
        return
    code = read_packages(workspace.root, workspace.packages)
    for name, (file, _) in sorted(code.modules.items()):
        if file and b"Features" in code.files[file]:
            yield from _in_module(file, load_module(code, name))


def _of_project(project: Project) -> Iterator[tuple[str, Features]]:
    """The sets in the modules that the model imports, and those that only the model holds."""
    code = project.code
    loaded = [(name, module) for name, module in sys.modules.items() if name.startswith(f"{code.package}.")]
    for name, module in loaded:
        file = _file_of(code, name.removeprefix(f"{code.package}."))
        if file:
            yield from _in_module(file, module)
    for shared in project.model.sets:
        yield "model.py", shared


def _in_module(file: str, module: ModuleType) -> Iterator[tuple[str, Features]]:
    for value in vars(module).values():
        if isinstance(value, Features):
            yield from ((file, one) for one in (value, *value.sets))


def _file_of(code: Code, name: str) -> str:
    return code.modules.get(name, ("", False))[0]
