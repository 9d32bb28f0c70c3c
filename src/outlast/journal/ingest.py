"""Facts on their way in: kept in the journal first, then written for every lookup that a served version may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from msgspec.structs import replace

from outlast.bundle.format import Bundle
from outlast.bundle.ingest import decode_facts, fit_schema, not_ahead, update, withdrawals
from outlast.bundle.lookups import read_back
from outlast.bundle.predictor import open_bundle
from outlast.data.schema import Schema, from_json
from outlast.errors import NotFound, RequestError, nearest
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import RETRACTED
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.registry.servable import servable
from outlast.types import now


@dataclass(frozen=True)
class Ingested:
    """How many facts came in, how many lookups they were written for, and how many of them withdraw another."""

    source: str
    rows: int
    lookups: int
    retracted: int = 0


@dataclass(frozen=True, eq=False)
class _Reads:
    schema: Schema
    required: tuple[str, ...]
    time: str | None
    questions: bool
    lookups: list[CompiledLookup]


class Ingest:
    """Takes facts for a workspace's sources; bundles are read once and nothing of them is executed."""

    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self.workspace = workspace
        self._journal = journal
        self._bundles: dict[str, Bundle] = {}
        self._reads: dict[tuple[str, tuple[str, ...]], _Reads] = {}

    def take(
        self, source: str, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, *, at: datetime, retract: bool = False
    ) -> Ingested:
        """Write facts once: to the journal, then to fresh values. Sending them again changes nothing.

        None is taken when one of them is dated more than a day after `at`, the moment they come in. With `retract`,
        every row withdraws the fact with its key, from the moment of the row on; else a row can say so itself.
        """
        reads = self._reads_of(source, at)
        if isinstance(rows, pl.DataFrame):
            frame = fit_schema(source, reads.schema, rows, reads.required)
        else:
            frame = decode_facts(source, reads.schema, reads.required, rows)
        frame = withdrawals(frame, reads.required, every=retract)
        retracted = int(frame[RETRACTED].sum()) if RETRACTED in frame.columns else 0
        if retracted and reads.questions:
            raise RequestError(
                f"Source '{source}' holds the questions, and those are not withdrawn here: take the row out of where "
                "the source lies"
            )
        not_ahead(source, frame, reads.time, at=at)
        self._journal.facts(source, frame.to_dicts(), at=at)
        # Who reads them is asked again, after they are in the journal: a version that is let out meanwhile is filled
        # from there, or is among those that are written for. Never neither.
        written = update(self.workspace.fresh, self._reads_of(source, at).lookups, frame)
        return Ingested(source, frame.height, len(written), retracted)

    def sources(self) -> list[str]:
        """The sources that some version knows."""
        return sorted({name for bundle in self._versions(now()) for name in bundle.manifest["sources"]})

    def _reads_of(self, source: str, at: datetime) -> _Reads:
        bundles = self._versions(at)
        key = (source, tuple(bundle.digest for bundle in bundles))
        if key not in self._reads:
            self._reads[key] = self._gather(source, bundles)
        return self._reads[key]

    def _gather(self, source: str, bundles: list[Bundle]) -> _Reads:
        using = [bundle for bundle in bundles if source in bundle.manifest["sources"]]
        if not using:
            known = {name for bundle in bundles for name in bundle.manifest["sources"]}
            raise NotFound(f"No version reads a source '{source}': {nearest(source, known)}")
        newest = using[0].manifest["sources"][source]
        labelled = any(bundle.manifest["label"]["source"] == source for bundle in using)
        lookups: list[CompiledLookup] = []
        for bundle in using:
            kept = [one for one in bundle.manifest["lookups"] if one["source"]["name"] == source]
            schemas = {source: from_json(bundle.manifest["sources"][source]["schema"])}
            lookups.extend(read_back(one, schemas) for one in kept)
        if not lookups and not labelled:
            raise RequestError(
                f"No version looks anything up in '{source}', it holds the questions: "
                "send rows of it to /predict, or new ones to where the source lies"
            )
        required = tuple(dict.fromkeys([*newest["key"], *([newest["time"]] if newest["time"] else [])]))
        schema = _joined([from_json(bundle.manifest["sources"][source]["schema"]) for bundle in using])
        return _Reads(schema, required, newest["time"], _asked_of(using[0], source), lookups)

    def _versions(self, at: datetime) -> list[Bundle]:
        """The bundles of all that may be served; each model's newest first."""
        return [self._bundle(one) for one in dict.fromkeys(v.digest for v in servable(self.workspace.ledger, now=at))]

    def _bundle(self, digest: str) -> Bundle:
        if digest not in self._bundles:
            self._bundles[digest] = open_bundle(self.workspace, digest)
        return self._bundles[digest]


def _joined(schemas: Sequence[Schema]) -> Schema:
    """The columns that any version reads: one that the newest has no use for may be another's."""
    fields = {field.name: field for schema in reversed(schemas) for field in schema.fields}
    first = schemas[0].names
    return replace(schemas[0], fields=[fields[name] for name in (*first, *(n for n in fields if n not in first))])


def _asked_of(bundle: Bundle, source: str) -> bool:
    """Whether a source holds a version's questions: it has all that is asked, and their time."""
    manifest = bundle.manifest
    kept = manifest["sources"][source]
    asked = {field["name"] for field in (*manifest["asks"], *manifest["key"])}
    return bool(manifest["time"] == kept["time"] and asked <= set(from_json(kept["schema"]).names))
