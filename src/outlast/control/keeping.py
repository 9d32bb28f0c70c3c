"""A keeper of versions that is a server: what `outlast train` on a laptop writes to."""

from datetime import datetime
from typing import Any

from outlast.control.client import Server
from outlast.control.operations import BINS, CLAIM, REGISTER, SCHEMAS
from outlast.control.shapes import About, Claiming, Registering
from outlast.data.schema import Schema, from_json
from outlast.project.loader import Project
from outlast.project.workspace import Workspace
from outlast.registry.bins import Frozen
from outlast.registry.declarations import claims
from outlast.registry.versions import Version
from outlast.training.keeping import other_folders


class There:
    """The server of a team; who acts there is the bearer of the token."""

    def __init__(self, server: Server, workspace: Workspace) -> None:
        self._server, self._workspace = server, workspace

    def claim(self, project: Project, *, by: str, at: datetime) -> None:
        self._server.ask(CLAIM, Claiming(project.model.name, claims(project), other_folders(project)))

    def schemas(self, model: str) -> dict[str, Schema]:
        return {source: from_json(text) for source, text in self._server.ask(SCHEMAS, About(model)).items()}

    def frozen(self, model: str) -> Frozen:
        return self._server.ask(BINS, About(model))

    def keep(self, data: bytes) -> str:
        self._workspace.artifacts.put(data)  # the run's own commands read it here
        return self._server.send(data)

    def register(
        self, model: str, *, digest: str, summary: dict[str, Any], lineage: dict[str, Any], **_: Any
    ) -> Version:
        for build in lineage.get("builds", {}).values():
            self._server.send(self._workspace.artifacts.get(build["artifact"]))
        return self._server.ask(REGISTER, Registering(model, digest, summary, lineage))
