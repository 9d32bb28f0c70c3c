"""Where a run's version goes: into this workspace's ledger, or to whoever writes it for all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from outlast.data.schema import Schema
from outlast.journal.sources import schemas_before
from outlast.project.loader import Project
from outlast.project.workspace import Workspace, project_folders
from outlast.registry.bins import Frozen, frozen_bins
from outlast.registry.declarations import claims, declare
from outlast.registry.versions import Version, register
from outlast.types import Task


class Keeper(Protocol):
    """Whoever writes down what a run claims and makes."""

    def claim(self, project: Project, *, by: str, at: datetime) -> None:
        """Take the names of the model, its sources and sets; Conflict where another has one."""

    def schemas(self, model: str) -> dict[str, Schema]:
        """The schemas of the newest version's sources."""

    def frozen(self, model: str) -> Frozen:
        """The bins that the next version keeps on with."""

    def keep(self, data: bytes) -> str:
        """Keep a bundle; its digest."""

    def register(  # noqa: PLR0913 (each is a part of the record, given by name)
        self,
        model: str,
        *,
        digest: str,
        code_digest: str | None,
        task: Task,
        summary: dict[str, Any],
        lineage: dict[str, Any],
        by: str,
        at: datetime,
    ) -> Version:
        """Give a bundle that is kept its number."""


class Here:
    """This workspace itself."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def claim(self, project: Project, *, by: str, at: datetime) -> None:
        model, folders = project.model.name, other_folders(project)
        for kind, name, declared in claims(project):
            claim(self._workspace, model, (kind, name, declared), folders=folders, by=by, at=at)

    def schemas(self, model: str) -> dict[str, Schema]:
        return schemas_before(self._workspace, model)

    def frozen(self, model: str) -> Frozen:
        return frozen_bins(self._workspace, model)

    def keep(self, data: bytes) -> str:
        return self._workspace.artifacts.put(data)

    def register(self, model: str, **record: Any) -> Version:
        return register(self._workspace.ledger, model, **record)


def claim(
    workspace: Workspace,
    model: str,
    one: tuple[str, str, Mapping[str, Any]],
    *,
    folders: list[str],
    by: str,
    at: datetime,
) -> None:
    """Take one name for a model's project; of a model's own name, `folders` are the project folders beside it."""
    kind, name, declared = one
    others = folders if kind == "model" else ()
    declare(workspace.ledger, kind, name, model, dict(declared), by=by, at=at, folders=others)


def other_folders(project: Project) -> list[str]:
    """The project folders of the workspace beside this one."""
    return [folder.name for folder in project_folders(project.workspace) if folder != project.folder]
