"""The Predictor: rows in, answers out, no transport. The server, the notebook and the batch all go through it."""

import logging
import pickle
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.answers import Answer, Rung
from outlast.bundle.decisions import decider, outcomes
from outlast.bundle.estimator import given_as, scores
from outlast.bundle.format import NATIVE, Bundle, unpack
from outlast.bundle.ingest import MARGIN
from outlast.bundle.lookups import read_back
from outlast.bundle.requests import Asked, Decoder, Policy
from outlast.data import profile as profiles
from outlast.data import schema as schemas
from outlast.data.profile import Profile, cells, row_cells
from outlast.data.schema import Field, dtype_of
from outlast.errors import OutlastError, RequestError, StorageError, Unavailable
from outlast.features.compiled import CompiledLookup
from outlast.features.entities import speller
from outlast.features.functions import apply
from outlast.features.online import Reader, columns_of, reader
from outlast.project.loader import install, load_model
from outlast.project.workspace import Workspace
from outlast.storage.fresh import FreshValues
from outlast.types import Task, micros, moment

_log = logging.getLogger("outlast.predictor")


class Predictor:
    """One version, loaded: its schema, its features, its model and its decisions."""

    def __init__(self, bundle: Bundle, version: int, store: FreshValues) -> None:
        manifest = bundle.manifest
        self.model: str = manifest["model"]
        self.version = version
        self.digest = bundle.digest
        self.task: Task = manifest["task"]
        self.contract = bundle.contract
        self.asks = _fields(manifest["asks"])
        self.key = tuple(field["name"] for field in manifest["key"])
        self.key_fields = _fields(manifest["key"])
        self.time: str | None = manifest["time"]
        self.features: list[str] = manifest["features"]
        self.profile = profiles.from_json(bundle.files["profile.json"])
        self.golden: list[dict[str, Any]] = bundle.json("golden.json")
        self.classes: list[str] = manifest["classes"]
        self._pandas: bool = manifest["pandas"]
        self._frames = _Frames(bundle, self.asks, self.profile, store)
        self._decoder = Decoder(self.asks, self.key_fields, self.time, self._policy())
        self._decide = decider(self.contract, self.task, self.classes)
        self._outcomes = outcomes(self.task, self.classes)
        self._estimator = pickle.loads(bundle.files[NATIVE])

    @property
    def lookups(self) -> list[CompiledLookup]:
        """What this version reads from the store of fresh values."""
        return self._frames.lookups

    def example(self) -> dict[str, Any]:
        """A request from training, as a caller would send it."""
        return dict(self.golden[0]["request"])

    def predict(self, rows: Sequence[Mapping[str, Any]], *, at: datetime) -> list[Answer]:
        """One answer per row, in order; RequestError where a row cannot be answered as it is."""
        now = micros(at)
        asked = [self._decoder.decode(row, index, now) for index, row in enumerate(rows)]
        if not asked:
            raise RequestError("The request has no rows: send at least one")
        try:
            frame = self._frames.build(asked)
            table = scores(self._estimator, given_as(frame, pandas=self._pandas), self.task, len(self._outcomes))
            return self._answers(asked, frame, table.tolist(), now)
        except StorageError as error:
            return self._degraded(asked, now, f"fresh values cannot be read: {error}", error)
        except OutlastError:
            raise
        except Exception as error:  # noqa: BLE001 - the model and its functions are the user's and may raise anything
            _log.exception("%s@%s failed on %d rows", self.model, self.version, len(asked))
            return self._degraded(asked, now, f"the model raised {type(error).__name__}", error)

    def predict_frame(self, frame: pl.DataFrame, *, at: datetime) -> pl.DataFrame:
        """The answers for a frame of asks, as a frame: decision, score or scores, rung and warnings."""
        answers = self.predict(frame.to_dicts(), at=at)
        return answers_frame(answers, self.task)

    def score_features(self, x: pl.DataFrame) -> list[list[float]]:
        """The model alone, on features that are there already."""
        frame = x.select(self.features)
        found: list[list[float]] = scores(
            self._estimator, given_as(frame, pandas=self._pandas), self.task, len(self._outcomes)
        ).tolist()
        return found

    def compute(self, asks: pl.DataFrame, looked_up: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """All features of many rows whose lookups were made elsewhere, such as over a history."""
        return self._frames.complete(pl.concat([asks, *looked_up], how="horizontal"))

    def decision(self, scored: Sequence[float], row: Mapping[str, Any]) -> str | float:
        """What the contract says to do about one row's scores."""
        if self.task == "regression":
            return scored[0]
        return self._decide(dict(zip(self._outcomes, scored, strict=True)), row)

    def close(self) -> None:
        """Let go of the model; its module names stay, for what was pickled with them."""
        self._estimator = None

    def _policy(self) -> Policy:
        return Policy(self.contract.serving.missing, self.contract.serving.unseen)

    def _answers(self, asked: list[Asked], frame: pl.DataFrame, table: list[list[float]], now: int) -> list[Answer]:
        names = frame.columns
        rows = frame.rows()
        marks = self._frames.cells(frame, rows)
        width = len(self.asks)
        found = []
        for one, row, scored, mark in zip(asked, rows, table, marks, strict=True):
            named = dict(zip(names, row, strict=True))
            score = scored[0] if self.task == "regression" else scored[1] if self.task == "binary" else None
            found.append(
                Answer(
                    prediction_id=_new_id(now),
                    key=one.key,
                    at=now,
                    decide_at=one.decide_at,
                    asks=dict(zip(names[:width], row[:width], strict=True)),
                    features=dict(zip(names[width:], row[width:], strict=True)),
                    score=score,
                    scores=dict(zip(self._outcomes, scored, strict=True)) if self.task == "multiclass" else None,
                    decision=self.decision(scored, named),
                    rung="full",
                    reasons=[],
                    warnings=[*one.warnings, *self._frames.stale(one)],
                    cells=mark,
                )
            )
        return found

    def _degraded(self, asked: list[Asked], now: int, reason: str, error: Exception) -> list[Answer]:
        """The next rung: what the contract declares as the answer when the model cannot give one."""
        serving = self.contract.serving
        decision = serving.defaults.get("decision")
        if decision is None or (serving.ladder is not None and "default" not in serving.ladder):
            raise Unavailable(
                f"{self.model}@{self.version} cannot answer ({reason}) and its contract declares no default: "
                "try again, or declare [serving] defaults"
            ) from error
        rung: Rung = "default"
        return [
            Answer(
                prediction_id=_new_id(now),
                key=one.key,
                at=now,
                decide_at=one.decide_at,
                asks=dict(zip((ask.name for ask in self.asks), one.values, strict=True)),
                features={},
                score=serving.defaults.get("score"),
                scores=None,
                decision=decision,
                rung=rung,
                reasons=[reason],
                warnings=one.warnings,
                cells=b"",
            )
            for one in asked
        ]


class _Frames:
    """From decoded rows to the frame the model sees, by the code of the bundle."""

    def __init__(self, bundle: Bundle, asks: list[Field], profile: Profile, store: FreshValues) -> None:
        manifest = bundle.manifest
        known = {name: schemas.from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
        self.lookups = [read_back(kept, known) for kept in manifest["lookups"]]
        self._floor = max((_floor(lookup, store) for lookup in self.lookups), default=0)
        self._schema = {ask.name: dtype_of(ask.dtype) for ask in asks}
        places = {ask.name: index for index, ask in enumerate(asks)}
        self._readers: list[tuple[Callable[[list[Any]], str | None], Reader]] = [
            (speller(lookup, self._schema, places), reader(lookup, store)) for lookup in self.lookups
        ]
        install(bundle.code)
        declared = load_model(bundle.code)
        self._functions = declared.functions
        self._order: list[str] = manifest["features"]
        self._profile = profile
        self._row_cells = row_cells(profile, self._order)

    def build(self, asked: list[Asked]) -> pl.DataFrame:
        base = pl.DataFrame([one.values for one in asked], schema=self._schema, orient="row")
        looked_up = []
        for lookup, (spell, read) in zip(self.lookups, self._readers, strict=True):
            looked_up.extend(columns_of(lookup, [read(spell(one.values), one.decide_at) for one in asked]))
        return self.complete(base.hstack(looked_up) if looked_up else base)

    def stale(self, one: Asked) -> list[str]:
        """A warning where a question is older than what fresh values keep."""
        if one.decide_at >= self._floor:
            return []
        kept = moment(self._floor)
        return [f"asked as of a moment before {kept:%Y-%m-%dT%H:%MZ}, which fresh values no longer hold in full"]

    def complete(self, rows: pl.DataFrame) -> pl.DataFrame:
        known = rows
        for function in self._functions:
            rows = rows.hstack(apply(function, known))
        return rows if rows.columns == self._order else rows.select(self._order)

    def cells(self, frame: pl.DataFrame, rows: list[tuple[Any, ...]]) -> list[bytes]:
        if len(rows) > 8:
            return [bytes(row) for row in cells(self._profile, frame)]
        return [self._row_cells(row) for row in rows]


def open_predictor(workspace: Workspace, digest: str, version: int) -> Predictor:
    """A version's Predictor from its verified bundle. This executes the bundle's code."""
    bundle = open_bundle(workspace, digest)
    return Predictor(bundle, version, workspace.fresh)


def open_bundle(workspace: Workspace, digest: str) -> Bundle:
    """A version's files, verified, nothing executed."""
    return unpack(workspace.artifacts.get(digest), f"Bundle {digest[:12]}")


def answers_frame(answers: Sequence[Answer], task: Task) -> pl.DataFrame:
    """Answers as a frame."""
    columns: dict[str, Any] = {
        "prediction_id": [a.prediction_id for a in answers],
        "decision": [a.decision for a in answers],
        "rung": [a.rung for a in answers],
        "warnings": pl.Series([a.warnings for a in answers], dtype=pl.List(pl.String)),
    }
    if task == "multiclass":
        for name in answers[0].scores or {}:
            columns[f"score_{name}"] = [(a.scores or {}).get(name) for a in answers]
    else:
        columns["score"] = pl.Series([a.score for a in answers], dtype=pl.Float64)
    return pl.DataFrame(columns)


def _floor(lookup: CompiledLookup, store: FreshValues) -> int:
    """The oldest moment a lookup can be asked about in full."""
    newest = store.newest(lookup.digest)
    return 0 if newest is None else newest - MARGIN // timedelta(microseconds=1)


def _fields(kept: list[dict[str, Any]]) -> list[Field]:
    return [msgspec.convert(one, Field) for one in kept]


def _new_id(now: int) -> str:
    return f"{now:014x}{secrets.token_hex(8)}"
