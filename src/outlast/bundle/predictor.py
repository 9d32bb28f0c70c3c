"""The Predictor: rows in, answers out, no transport. The server, the notebook and the batch all go through it."""

import logging
import secrets
import traceback
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PanicException

from outlast.bundle.answers import Answer, Rung
from outlast.bundle.decisions import decider, outcomes
from outlast.bundle.format import Bundle, unpack
from outlast.bundle.frames import Frames, LookUp, Unread
from outlast.bundle.requests import Asked, Decoder, Policy
from outlast.bundle.scoring import Scoring
from outlast.data import profile as profiles
from outlast.data.schema import Field
from outlast.errors import OutlastError, RequestError, StorageError, Unavailable
from outlast.features.compiled import CompiledLookup
from outlast.features.steady import steady
from outlast.project.workspace import Workspace
from outlast.storage.fresh import FreshStore
from outlast.types import Task, micros, moment

TOO_EARLY = "asked as of a moment before"
"""How the warning of an answer begins whose facts may be gone from the store."""

_log = logging.getLogger("outlast.predictor")


class Predictor:
    """One version, loaded: its schema, its features, its model and its decisions."""

    def __init__(self, bundle: Bundle, version: int, store: FreshStore) -> None:
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
        self.manifest = manifest
        self._frames = Frames(bundle, self.asks, self.profile, store)
        self._decoder = Decoder(self.asks, self.key_fields, self.time, self._policy(manifest.get("question", "")))
        self._decide = decider(self.contract, self.task, self.classes)
        self._outcomes = outcomes(self.task, self.classes)
        self._model: Scoring | None = Scoring(bundle, self.task, len(self._outcomes), self._golden_decision)

    @property
    def lookups(self) -> list[CompiledLookup]:
        """What this version reads from the store of fresh values."""
        return self._frames.lookups

    def example(self) -> dict[str, Any]:
        """A request from training, as a caller would send it."""
        return dict(self.golden[0]["request"])

    def predict(
        self, rows: Sequence[Mapping[str, Any]], *, at: datetime, look_up: LookUp | None = None
    ) -> list[Answer]:
        """One answer per row, in order; RequestError where a row cannot be answered as it is.

        Facts are looked up in fresh values, or by `look_up` over a history.
        """
        now = micros(at)
        asked = [self._decoder.decode(row, index, now) for index, row in enumerate(rows)]
        if not asked:
            raise RequestError("The request has no rows: send at least one")
        try:
            return self._answered(asked, now, look_up)
        except (Exception, PanicException) as error:  # noqa: BLE001 - model and functions are the user's: anything may come
            return self._degraded(asked, now, self._why(error, len(asked)), error)

    def features_of(
        self, rows: Sequence[Mapping[str, Any]], *, at: Sequence[int], look_up: LookUp
    ) -> list[dict[str, Any]]:
        """The features of rows that were asked at some moments, by a look-up over history; without the model."""
        asked = [self._decoder.decode(row, index, now) for index, (row, now) in enumerate(zip(rows, at, strict=True))]
        names = self.features[len(self.asks) :]
        return self._frames.build(asked, look_up).select(names).rows(named=True)[: len(asked)] if asked else []

    def predict_frame(self, frame: pl.DataFrame, *, at: datetime) -> pl.DataFrame:
        """The answers for a frame of asks, as a frame: decision, score or scores, rung and warnings.

        NaN in a frame is what null is in a request: a value that is missing.
        """
        answers = self.predict(frame.with_columns(pl.selectors.float().fill_nan(None)).to_dicts(), at=at)
        return answers_frame(answers, self.task)

    def score_features(self, x: pl.DataFrame) -> list[list[float]]:
        """The model alone, on features that are there already."""
        found: list[list[float]] = self._loaded.table(steady(x.select(self.features))).tolist()
        return found[: x.height]

    def decision(self, scored: Sequence[float], row: Mapping[str, Any]) -> str | float:
        """What the contract says to do about one row's scores."""
        if self.task == "regression":
            return scored[0]
        return self._decide(dict(zip(self._outcomes, scored, strict=True)), row)

    def over(self, store: FreshStore) -> "Predictor":
        """The same version, its model shared, that looks up in another store."""
        other = copy(self)
        other._frames = self._frames.over(store)
        return other

    def close(self) -> None:
        """Let go of the model; its module names stay, for what was pickled with them."""
        self._model = None

    def _policy(self, question: str) -> Policy:
        rules = self.contract.data.get(question)
        return Policy(self.contract.serving.missing, self.contract.serving.unseen, rules.ranges if rules else {})

    @property
    def _loaded(self) -> Scoring:
        if self._model is None:
            raise StorageError(f"{self.model}@{self.version} was closed: open it again")
        return self._model

    def _golden_decision(self, scored: Sequence[float], row: Mapping[str, Any]) -> str | float:
        """What a golden row's scores lead to; of a regression nothing is decided."""
        return "" if self.task == "regression" else self.decision(scored, row)

    def _why(self, error: BaseException, rows: int) -> str:
        """The reason for a lower rung. The log gets where it happened, and no message: that may quote the request."""
        if isinstance(error, Unread):
            return f"fresh values cannot be read: {error}"
        trace = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s@%s: %s on %d rows\n%s", self.model, self.version, type(error).__name__, rows, trace)
        return str(error) if isinstance(error, OutlastError) else f"the model raised {type(error).__name__}"

    def _answered(self, asked: list[Asked], now: int, look_up: LookUp | None) -> list[Answer]:
        floor = self._frames.floor(now) if look_up is None else 0
        names, (rows, table, marks) = self.features, self._scored(asked, look_up)
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
                    warnings=one.warnings if one.decide_at >= floor else [*one.warnings, _too_early(floor)],
                    cells=mark,
                )
            )
        return found

    def _scored(
        self, asked: list[Asked], look_up: LookUp | None
    ) -> tuple[Sequence[Sequence[Any]], list[list[float]], list[bytes]]:
        """Each row's columns, scores and cells: one by one where that is quicker, else in one frame."""
        model, count = self._loaded, len(asked)
        alone = self._frames.rows(asked) if look_up is None else None
        if alone is not None:
            scored = (
                [model.row(row) for row in alone] if model.row else model.table(self._frames.of_rows(alone)).tolist()
            )
            return alone, scored[:count], self._frames.cells(alone, None)
        frame = self._frames.build(asked, look_up)
        rows = frame.rows()[:count]
        return rows, model.table(frame).tolist()[:count], self._frames.cells(rows, frame)

    def _degraded(self, asked: list[Asked], now: int, reason: str, error: BaseException) -> list[Answer]:
        """The next rung: what the contract declares as the answer when the model cannot give one."""
        ladder = self.contract.serving.ladder
        decision, score = self._default()
        if decision is None or (ladder is not None and "default" not in ladder):
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
                score=score,
                scores=None,
                decision=decision,
                rung=rung,
                reasons=[reason],
                warnings=one.warnings,
                cells=b"",
            )
            for one in asked
        ]

    def _default(self) -> tuple[str | float | None, float | None]:
        """The declared decision and score; of a regression they are one number, under either name."""
        defaults = self.contract.serving.defaults
        decision, score = defaults.get("decision"), defaults.get("score")
        if self.task != "regression":
            return decision, score
        value = score if decision is None else decision
        return value, value


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


def _too_early(floor: int) -> str:
    return f"{TOO_EARLY} {moment(floor):%Y-%m-%dT%H:%MZ}, which fresh values no longer hold in full"


def _fields(kept: list[dict[str, Any]]) -> list[Field]:
    return [msgspec.convert(one, Field) for one in kept]


def _new_id(now: int) -> str:
    return f"{now:014x}{secrets.token_hex(8)}"
