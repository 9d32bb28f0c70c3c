"""A project's sources during one run: where the workspace binds them and what was pushed since, each schema once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from outlast.bundle.format import Bundle, open_bundle
from outlast.bundle.frames import LookUp
from outlast.data.fingerprint import fingerprint
from outlast.data.schema import Schema, dtype_of, from_json, infer, types
from outlast.data.sources import reading, scan
from outlast.data.validation import DUPLICATES, Violation, check
from outlast.engines import Engine
from outlast.errors import ContractError, FeatureError, NotFound, nearest
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import KNOWN, RETRACTED, instants
from outlast.features.offline import look_up
from outlast.journal.history import ARRIVED, arrivals, pushed
from outlast.project import position
from outlast.project.declare import Source
from outlast.project.loader import Project, load_model
from outlast.project.workspace import Workspace
from outlast.registry.declarations import folder_of
from outlast.registry.versions import find
from outlast.types import ModelRef, counted, micros

_NONE = pl.DataFrame()


class Sources:
    """Frames and schemas by source, each read from one place for the whole run."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._scanned: dict[str, pl.LazyFrame] = {}
        self._frames: dict[str, pl.LazyFrame] = {}
        self._pushed: dict[str, int] = {}
        self._dated: dict[str, tuple[datetime | None, pl.DataFrame]] = {}
        self._schemas: dict[str, Schema] = {}

    def frame(self, source: Source) -> pl.LazyFrame:
        """The rows of a source, lazily; facts that were pushed come after those at its location.

        Where some of them withdraw others, the column RETRACTED marks them, and they have little else.
        """
        if source.name not in self._frames:
            came = self._came(source)
            self._pushed[source.name] = came.height
            here = self._scan(source)
            self._frames[source.name] = pl.concat([self._like(source, came), came.lazy()]) if came.height else here
        return self._frames[source.name]

    def _came(self, source: Source) -> pl.DataFrame:
        if not self._takes_facts(source):
            return _NONE
        return pushed(self._project.workspace, source, self.schema(source))

    def dated(self, source: Source, *, since: datetime | None = None) -> pl.LazyFrame:
        """The same rows with the column ARRIVED; with `since`, of the pushed facts those that came from then on."""
        came = self._arrived(source, since)
        here = self._like(source, came).with_columns(pl.lit(None, pl.Int64).alias(ARRIVED))
        return pl.concat([here.select(came.columns), came.lazy()])

    def _arrived(self, source: Source, since: datetime | None) -> pl.DataFrame:
        """What was pushed from a moment on, of which a longer stretch may have been read for another lookup."""
        before, came = self._dated.get(source.name, (since, None))
        if came is None or (before is not None and (since is None or since < before)):
            came = arrivals(self._project.workspace, source, self.schema(source), since=since)
            self._dated[source.name] = (since, came)
        return came if since is None else came.filter(pl.col(ARRIVED) >= micros(since))

    def _like(self, source: Source, came: pl.DataFrame) -> pl.LazyFrame:
        """The rows at a source's location, with the columns and types that pushed facts have."""
        columns = [pl.col(field.name).cast(dtype_of(field.dtype)) for field in self.schema(source).fields]
        if RETRACTED in came.columns:
            columns.append(pl.lit(False).alias(RETRACTED))
        return self._scan(source).select(columns)

    def schema(self, source: Source) -> Schema:
        """The columns a project reads of a source, as they are now."""
        if source.name not in self._schemas:
            frame = self._scan(source)
            columns = self._columns(source, list(frame.collect_schema().names()))
            with reading(source):
                self._schemas[source.name] = infer(frame, columns)
        return self._schemas[source.name]

    def named(self, name: str) -> Source:
        """One of the model's sources."""
        return next(source for source in self._project.model.sources if source.name == name)

    @property
    def engine(self) -> Engine:
        """What looking up in them runs on."""
        return self._project.workspace.engine

    def types(self, source: Source) -> dict[str, pl.DataType]:
        return types(self.schema(source))

    def fingerprints(self) -> dict[str, Any]:
        """What each source was when it was read."""
        found = {}
        for source in self._project.model.sources:
            location = self._project.workspace.location(source, self._project.folder)
            with reading(source):
                found[source.name] = fingerprint(source, location, self._scan(source))
            self.frame(source)
            found[source.name]["pushed"] = self._pushed[source.name]
            found[source.name]["location"] = _from(self._project.folder, found[source.name]["location"])
        return found

    def violations(self, before: dict[str, Schema]) -> dict[str, list[Violation]]:
        """What breaks the contract's rules, or the schema of the version before."""
        found = {}
        for source in self._project.model.sources:
            rules = self._project.contract.data.get(source.name)
            frame = _standing(source, self.frame(source)).select(field.name for field in self.schema(source).fields)
            question = source.name == self._project.model.question.name
            before_it = before.get(source.name)
            with reading(source):
                broken = check(frame, before_it, rules, source.keys, time=source.time, unique=question)
            found[source.name] = [self._from_two_places(source, one) for one in broken]
        return found

    def _from_two_places(self, source: Source, broken: Violation) -> Violation:
        """The same, with where rows that contradict one another may come from."""
        pushed_here = self._pushed.get(source.name)
        if broken.rule != DUPLICATES or not pushed_here:
            return broken
        says = f"{counted(pushed_here, 'fact')} of '{source.name}' came by push and are read beside those at its place"
        if position.find(self._project.workspace, self._project.model.name) is not None:
            says += "; what a replay tells otherwise than it lies there needs --history, from the story's beginning on"
        return replace(broken, sentence=f"{broken.sentence}; {says}")

    def _takes_facts(self, source: Source) -> bool:
        """Whether facts are pushed to a source: not where it only holds the questions."""
        model = self._project.model
        return source.name in {model.label.source.name, *(lookup.source.name for lookup in model.lookups)}

    def _scan(self, source: Source) -> pl.LazyFrame:
        if source.name not in self._scanned:
            location = self._project.workspace.location(source, self._project.folder)
            self._scanned[source.name] = scan(source, location)
        return self._scanned[source.name]

    def _columns(self, source: Source, present: list[str]) -> list[str]:
        model = self._project.model
        if source.name != model.question.name:
            return present
        needed = dict.fromkeys([*source.keys, *([source.time] if source.time else []), *model.asks.names])
        if model.label.source.name == source.name:
            needed.update(dict.fromkeys(model.label.names))
        if any(lookup.source.name == source.name for lookup in model.lookups):
            needed.update(dict.fromkeys(present))
        group = self._project.contract.training.group
        if group is not None and group not in present:
            raise ContractError(
                f"outlast.toml: 'training.group' names the column '{group}', which source '{source.name}' does not "
                f"have: {nearest(group, present)}"
            )
        needed |= {} if group is None else {group: None}
        for name in needed:
            if name not in present:
                raise FeatureError(f"Source '{source.name}' has no column '{name}': {nearest(name, present)}")
        return list(needed)


def _standing(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that were not withdrawn: what was wrong with the others is mended by that."""
    if RETRACTED not in frame.collect_schema():
        return frame
    at = pl.lit(0, pl.Int64) if source.time is None else instants(source.time)
    gone = frame.filter(RETRACTED).group_by(source.keys).agg(at.max().alias(KNOWN))
    told = frame.filter(~pl.col(RETRACTED)).join(
        gone, on=source.keys, how="left", nulls_equal=True, maintain_order="left"
    )
    return told.filter(pl.col(KNOWN).is_null() | (at > pl.col(KNOWN)))


def _from(folder: Path, location: str) -> str:
    """A place as seen from the project's folder, so that a bundle does not depend on where that lies."""
    try:
        return Path(location).relative_to(folder).as_posix()
    except ValueError:
        return location


def project_of(workspace: Workspace, bundle: Bundle) -> Project:
    """The project that a version was made from. This executes the bundle's code."""
    folder = folder_of(workspace, bundle.manifest["model"]) or workspace.root
    return Project(folder, workspace, bundle.contract, bundle.code, load_model(bundle.code))


def sources_of(workspace: Workspace, bundle: Bundle) -> Sources:
    """The sources of a version, where they are now. This executes the bundle's code, which says where that is."""
    return Sources(project_of(workspace, bundle))


def over_history(sources: Sources, lookups: Sequence[CompiledLookup]) -> LookUp:
    """Look facts up in the whole history, as training does, for questions of any moment."""

    def find(asks: pl.DataFrame, at: pl.Series) -> list[pl.DataFrame]:
        found = []
        for lookup in lookups:
            source = sources.named(lookup.lookup.source.name)
            with reading(source):
                found.append(look_up(lookup, sources.frame(source), asks, at, engine=sources.engine))
        return found

    return find


def schemas_before(workspace: Workspace, model: str) -> dict[str, Schema]:
    """The schemas of the newest version's sources; none before the first training."""
    try:
        newest = find(workspace.ledger, ModelRef(model, "latest"))
    except NotFound:
        return {}
    bundle = open_bundle(workspace, newest.digest)
    return {name: from_json(source["schema"]) for name, source in bundle.manifest["sources"].items()}
