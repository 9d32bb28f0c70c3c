"""What a fit is made from, part by part, so that one part can be exchanged for another."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import polars as pl

from outlast.bundle.environments.locks import Lock, kept_lock, lock_here
from outlast.bundle.format import NATIVE, Bundle, open_bundle
from outlast.data.fingerprint import rows_digest
from outlast.data.schema import dtype_of
from outlast.errors import NotFound, StorageError
from outlast.project.loader import Code
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.dataset import AT, KEY, LABEL_AT
from outlast.training.reproduce.worker import digest_of_model
from outlast.training.snapshot import ROW, TEST, TRAIN
from outlast.types import Task, digest_of

Part = Literal["data", "code", "parameters", "environment", "seed", "threads"]
PARTS: tuple[Part, ...] = ("data", "code", "parameters", "environment", "seed", "threads")


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Rows in their order, with the types of what functions are given, which tables widen."""

    rows: pl.DataFrame
    given: Mapping[str, str]
    digest: str

    @property
    def typed(self) -> pl.DataFrame:
        """The rows with what functions are given as it was in training."""
        return self.rows.with_columns(pl.col(name).cast(dtype_of(dtype)) for name, dtype in self.given.items())


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that decides how a fit comes out, save the machine; `environment` is None for the one here."""

    data: TrainingSet
    code: Code
    environment: Lock | None
    seed: int
    threads: int
    parameters: Mapping[str, Any]
    """What a search chose for fit; nothing where none was made."""

    def named(self, part: Part) -> str:
        """What tells this part from another: equal names, equal parts."""
        if part == "environment":
            return (self.environment or lock_here()).digest
        if part in ("data", "code"):
            return str(getattr(self, part).digest)
        if part == "parameters":
            return digest_of(dict(self.parameters))
        return str(getattr(self, part))

    @cached_property
    def key(self) -> tuple[str, ...]:
        return tuple(self.named(part) for part in PARTS)


@dataclass(frozen=True, eq=False)
class Kept:
    """A version as it was made: its inputs, what came out, and where."""

    version: Version
    inputs: Inputs
    classes: int
    model: str
    """The digest of the fitted model's file."""
    borrowed: bool
    """Whether this Outlast stands in for the build that made it, which was not kept."""

    @property
    def answers(self) -> str | None:
        """The digest of its answers on the test rows; versions of the first releases do not say."""
        return self.version.lineage.get("answers")

    @property
    def task(self) -> Task:
        return self.version.task


def kept_inputs(workspace: Workspace, version: Version) -> Kept:
    """What a version was made from; NotFound where the rows or the bundle are gone, by erasure or otherwise."""
    bundle = open_bundle(workspace, version.digest)
    lineage = version.lineage
    lock, borrowed = kept_lock(workspace, bundle, lineage)
    data = _training_set(workspace, version, bundle)
    chosen = (lineage.get("parameters") or {}).get("search") or {}
    inputs = Inputs(data, bundle.code, lock, lineage["seed"], lineage["threads"], chosen)
    model = digest_of_model(bundle.files[NATIVE], bundle.code)
    return Kept(version, inputs, len(bundle.manifest["classes"]), model, borrowed)


def _training_set(workspace: Workspace, version: Version, bundle: Bundle) -> TrainingSet:
    table = version.lineage["snapshot"]
    if not workspace.tables.exists(table):
        raise NotFound(
            f"The training set of {version} was erased: there is no table '{table}' any more, so it cannot be trained "
            "again from what was kept; `outlast reproduce --from-sources` asks today's sources"
        )
    said = version.lineage.get("training_set")
    if said is None:
        return _older(workspace.tables.scan(table).collect(), bundle)
    rows = workspace.tables.scan(table).sort(ROW).collect()
    if rows_digest(rows.lazy(), ordered=True) != said["digest"]:
        raise StorageError(
            f"The training set of {version} is not what it was: rows of table '{table}' were erased or changed "
            f"({rows.height:,} of {said['rows']:,} are there), so it cannot be trained again from what was kept"
        )
    return TrainingSet(rows, said["given"], said["digest"])


def _older(rows: pl.DataFrame, bundle: Bundle) -> TrainingSet:
    """The rows of a version that did not keep their order, types and split: these are found again by its rules."""
    manifest, contract = bundle.manifest, bundle.contract.training
    given = {ask["name"]: ask["dtype"] for ask in manifest["asks"]}
    begin = rows.filter(TEST)[AT].min()
    timed = contract.split != "random" and manifest["time"] is not None
    train = ~pl.col(TEST) & (pl.col(LABEL_AT) < begin) if timed else ~pl.col(TEST)
    ordered = rows.sort(AT, KEY).with_columns(train.alias(TRAIN))
    return TrainingSet(ordered, given, rows_digest(ordered.lazy(), ordered=True))
