"""The workspace: where a project's things are kept, and where its sources really are.

`workspace.toml` is found by walking up from the project and is optional; without it everything lives in `.outlast/`
beside the model.
"""

import os
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from outlast.engines import Engine, Local, size_of
from outlast.errors import NotFound, SettingsError, nearest
from outlast.project.declare import Location, Source
from outlast.settings import Settings
from outlast.storage.appendlog import AppendLog
from outlast.storage.artifacts import Artifacts
from outlast.storage.fresh import FreshStore, open_fresh
from outlast.storage.ledger import Ledger, Outside, open_ledger
from outlast.storage.tables import Tables

FILE = "workspace.toml"
HOME = ".outlast"
OFF = "off"
"""The address of a server that says: there is none (OUTLAST_SERVER=off)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Storage(_Part):
    """Addresses; what is not named lives in `.outlast/`."""

    ledger: str | None = None
    tables: str | None = None
    artifacts: str | None = None
    fresh: str | None = None
    options: dict[str, str] = Field(default_factory=dict)


class Audit(_Part):
    """Where the head of the audit trail is noted outside the database."""

    heads: str | None = None
    webhook: str | None = None


class Costs(_Part):
    """What computing costs, so that it can be told in money."""

    cpu_hour: float | None = Field(default=None, ge=0)
    currency: str | None = None


class Environment(_Part):
    """What differs between development, staging and production."""

    storage: Storage = Storage()
    audit: Audit = Audit()
    sources: dict[str, str] = Field(default_factory=dict)
    server: str | None = None


class Declaration(_Part):
    """The content of workspace.toml."""

    name: str | None = None
    storage: Storage = Storage()
    audit: Audit = Audit()
    costs: Costs = Costs()
    sources: dict[str, str] = Field(default_factory=dict)
    packages: list[str] = Field(default_factory=list)
    environments: dict[str, Environment] = Field(default_factory=dict)
    server: str | None = None


@dataclass(frozen=True)
class Workspace:
    """A root folder, its declaration, and the stores opened from them when first asked for."""

    root: Path
    declaration: Declaration = Declaration()
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def find(cls, start: Path, settings: Settings | None = None) -> "Workspace":
        """The workspace around a folder: the nearest workspace.toml above, else the project itself."""
        settings = settings or Settings.read()
        start = start.resolve()
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                return cls(folder, _read(folder / FILE), settings)
        return cls(project_folder(start) or start, settings=settings)

    @property
    def home(self) -> Path:
        """Where things live that have no address; each environment but `dev` has a folder of its own in it."""
        name = self.settings.environment
        return self.root / HOME if name == "dev" else self.root / HOME / name

    @property
    def name(self) -> str:
        return self.declaration.name or self.root.name

    @cached_property
    def environment(self) -> Environment:
        """The chosen environment; `dev` need not be declared."""
        name, known = self.settings.environment, self.declaration.environments
        if name not in known and name != "dev":
            raise SettingsError(
                f"OUTLAST_ENV is '{name}', which {self.root / FILE} does not declare: {nearest(name, {*known, 'dev'})}"
            )
        return known.get(name, Environment())

    @cached_property
    def packages(self) -> tuple[Path, ...]:
        """Folders of shared packages, for example of features."""
        return tuple((self.root / package).resolve() for package in self.declaration.packages)

    def location(self, source: Source, folder: Path) -> Location:
        """Where a source really is: bound by the environment or the workspace, else as the code says."""
        bound = self.environment.sources.get(source.name) or self.declaration.sources.get(source.name)
        if bound is not None:
            return _beside(bound, self.root)
        return _beside(source.location, folder)

    @cached_property
    def ledger_url(self) -> str:
        given = self._address("ledger")
        return given or f"sqlite:///{self.home / 'ledger.db'}"

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created when it is missing."""
        if self.ledger_url.startswith("sqlite"):
            self.home.mkdir(parents=True, exist_ok=True)
        return open_ledger(self.ledger_url, self.outside)

    @property
    def outside(self) -> Outside:
        """Where heads of the audit trail are noted outside the database."""
        here, all_ = self.environment.audit, self.declaration.audit
        heads = self.settings.audit_heads or here.heads or all_.heads
        file = self.root / heads if heads else self.home / "audit-heads.jsonl"
        return Outside(file, here.webhook or all_.webhook, self.settings.environment)

    def at(self, environment: str) -> "Workspace":
        """The same workspace in another environment; addresses that variables give are those of this one only."""
        there = Settings(environment=environment, actor=self.settings.actor, memory=self.settings.memory)
        return Workspace(self.root, self.declaration, there)

    @cached_property
    def tables(self) -> Tables:
        return Tables(self._address("tables") or str(self.home / "tables"), self._options)

    @cached_property
    def artifacts(self) -> Artifacts:
        return Artifacts(self._address("artifacts") or str(self.home / "artifacts"))

    @cached_property
    def fresh(self) -> FreshStore:
        """Fresh values; in a Redis, workspaces and environments that share it stay apart by their names."""
        self.home.mkdir(parents=True, exist_ok=True)
        return open_fresh(self._address("fresh") or self.home / "fresh.db", f"{self.name}:{self.settings.environment}")

    @property
    def log_root(self) -> Path:
        return self.home / "log"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def engine(self) -> Engine:
        """What heavy work runs on: this process."""
        return Local(None if self.settings.memory is None else size_of(self.settings.memory))

    def log(self, stream: str) -> AppendLog:
        """A new writer of one stream of the append-log."""
        return AppendLog(self.log_root, stream)

    @property
    def mlflow_uri(self) -> str:
        """The mirror's address: the environment's, else a SQLite of its own."""
        return self.settings.mlflow or f"sqlite:///{self.home / 'mlflow.db'}"

    @property
    def server(self) -> str | None:
        """The server that changes what is live; None where commands do it themselves."""
        given = self.settings.server or self.environment.server or self.declaration.server
        return None if given == OFF else given

    @property
    def _options(self) -> dict[str, str] | None:
        return {**self.declaration.storage.options, **self.environment.storage.options} or None

    def _address(self, kind: str) -> str | None:
        given: str | None = (
            getattr(self.settings, kind)
            or getattr(self.environment.storage, kind)
            or getattr(self.declaration.storage, kind)
        )
        if given is None:
            return None
        if given.startswith("sqlite:///") and not given.startswith("sqlite:////"):
            return f"sqlite:///{self.root / given.removeprefix('sqlite:///')}"
        return given if "://" in given else str(self.root / given)


def _beside(location: Location, folder: Path) -> Location:
    """A path seen from its folder; a SQLite file's too, which SQLAlchemy would seek in the working directory."""
    if callable(location):
        return location
    text = str(location)
    if text.startswith("sqlite:///") and not text.startswith("sqlite:////"):
        return f"sqlite:///{folder / text.removeprefix('sqlite:///')}"
    return location if "://" in text else (folder / location).resolve()


def project_folder(start: Path) -> Path | None:
    """The folder with outlast.toml, here or above."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "outlast.toml").is_file():
            return folder
    return None


def project_folders(workspace: Workspace) -> list[Path]:
    """Every project of a workspace, by its outlast.toml."""
    hidden, found = (HOME, ".venv", "node_modules"), []
    for folder, inside, files in os.walk(workspace.root):
        inside[:] = [name for name in inside if name not in hidden]  # environments in there have thousands of files
        if "outlast.toml" in files:
            found.append(Path(folder))
    return sorted(found)


def require_project(start: Path) -> Path:
    """The project's folder, or a sentence that says how to get one."""
    folder = project_folder(start)
    if folder is None:
        raise NotFound(
            f"There is no outlast.toml in {start.resolve()} or above: "
            "go to a project's folder, or start one with `outlast init NAME`"
        )
    return folder


def _read(file: Path) -> Declaration:
    try:
        return Declaration.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem, file) for problem in error.errors())) from None


def _sentence(problem: Any, file: Path) -> str:
    place = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        return f"{file}: unknown key '{'.'.join(place)}': {nearest(place[-1], _known(place[:-1]))}"
    return f"{file}: '{'.'.join(place)}': {problem['msg'].lower()}, not {problem['input']!r}"


def _known(place: list[str]) -> list[str]:
    if not place:
        return list(Declaration.model_fields)
    if place[-1] == "storage":
        return list(Storage.model_fields)
    if place[-1] == "audit":
        return list(Audit.model_fields)
    if place[-1] == "costs":
        return list(Costs.model_fields)
    return list(Environment.model_fields) if place[0] == "environments" else []
