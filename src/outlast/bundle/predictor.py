"""The Predictor: rows in, answers out, no transport. The server, the notebook and the batch all go through it."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.answers import Answer, Rung
from outlast.bundle.decisions import decider, outcomes, reads_columns
from outlast.bundle.doubt import doubting
from outlast.bundle.drawn import drawn
from outlast.bundle.explaining.explains import Explains
from outlast.bundle.falls import LENIENT, Lower, Policy
from outlast.bundle.format import Bundle
from outlast.bundle.format import open_bundle as open_bundle
from outlast.bundle.frames import LookUp
from outlast.bundle.freshness import Unread
from outlast.bundle.refusals import refusal
from outlast.bundle.requests import Asked, Decoder
from outlast.bundle.steps import ended
from outlast.bundle.ways import Way, each, ways
from outlast.data import profile as profiles
from outlast.data.schema import Field
from outlast.errors import OutlastError, RequestError, Unavailable
from outlast.features.compiled import CompiledLookup
from outlast.features.steady import steady
from outlast.project.loader import Lease
from outlast.project.workspace import Workspace
from outlast.storage.fresh import FreshStore
from outlast.types import Task, micros, moment

TOO_EARLY = "asked as of a moment before"
"""How the warning of an answer begins whose facts may be gone from the store."""

_PARTS, _PARTS_OF_HISTORY = 256, 16
"""Into how many parts rows are divided at most to find those that a model fails on; a look-up over history is slow."""

_PLACE_OF_SCORE: dict[Task, int | None] = {"regression": 0, "binary": 1, "multiclass": None}
"""Which of a row's scores is the score; of several classes each has its own."""
_NOTHING: dict[str, Any] = {}
_log = logging.getLogger("outlast.predictor")


class Predictor:
    """One version, loaded: its schema, its features, its model and its decisions."""

    apart = False
    """Whether answering waits for another process, and so must not be done between two requests."""

    def __init__(self, bundle: Bundle, version: int, store: FreshStore) -> None:
        self._describe(bundle, version)
        self._lease = Lease(bundle.code)
        try:
            self._full, self._simpler = ways(bundle, self.asks, self.profile, store=store, outcomes=len(self._outcomes),
                                             decision=self._golden_decision)  # fmt: skip
        except BaseException:
            self._lease.end()
            raise

    def _describe(self, bundle: Bundle, version: int) -> None:
        """What is known of it without executing anything."""
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
        policy = Policy.of(self.contract, manifest.get("question", ""))
        self._decoder = Decoder(self.asks, self.key_fields, self.time, policy)
        self._decide = decider(self.contract, self.task, self.classes)
        self._reads_columns = reads_columns(self.contract)
        self._outcomes = outcomes(self.task, self.classes)
        self._doubt = doubting(self.contract.serving.unsure)
        self.explains: Explains | None = None
        """What explains its answers, where its bundle can be read again."""

    @property
    def lookups(self) -> list[CompiledLookup]:
        """What this version reads from the store of fresh values."""
        return self._full.frames.lookups

    @property
    def outcomes(self) -> list[str]:
        """The words for what can happen, in the order of scores."""
        return self._outcomes

    @property
    def simpler_features(self) -> list[str] | None:
        """What the ladder's simpler model reads; None where the version has none."""
        return None if self._simpler is None else self._simpler.features

    def ages(self, now: int) -> dict[str, float]:
        """How many seconds old the newest fact of each source is that this version looks up."""
        return self._full.frames.freshness.ages(now)

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
        return self.answer(self.decode(rows, now), now, look_up)

    def decode(self, rows: Sequence[Mapping[str, Any]], now: int) -> list[Asked]:
        """Rows of one request by the schema of training; RequestError where one is not."""
        if not rows:
            raise RequestError("The request has no rows: send at least one")
        return [self._decoder.decode(row, index, now) for index, row in enumerate(rows)]

    def refused(self, rows: Sequence[Any], now: int, reason: str) -> list[Answer]:
        """Rows that got no answer, as the journal keeps them: what was asked only where people are to answer it."""
        shown = "refused" in self.contract.serving.queue
        names = [ask.name for ask in self.asks] if shown else []
        return [refusal(row, names, new_id(now), self._decoder.key(row), at=now, reason=reason) for row in rows]

    def answer(self, asked: list[Asked], now: int, look_up: LookUp | None = None) -> list[Answer]:
        """One answer per decoded row, in order, each by the highest rung of the ladder that has one."""
        lacks = self._lacks(asked, now, look_up)
        if not any(lacks):
            return self._by_full(asked, now, look_up)
        found: dict[int, Answer] = {}
        for lack in dict.fromkeys(lacks):
            places = [place for place, one in enumerate(lacks) if one == lack]
            rows = [asked[place] for place in places]
            some = self._by_full(rows, now, look_up) if lack is None else self._by(lack, rows, now, look_up)
            found.update(zip(places, some, strict=True))
        return [found[place] for place in range(len(asked))]

    def features_of(
        self, rows: Sequence[Mapping[str, Any]], *, at: Sequence[int], look_up: LookUp
    ) -> list[dict[str, Any]]:
        """The features of rows that were asked at some moments, by a look-up over history; without the model."""
        decoder = Decoder(self.asks, self.key_fields, self.time, LENIENT)  # what was answered is not judged again
        asked = [decoder.decode(row, index, now) for index, (row, now) in enumerate(zip(rows, at, strict=True))]
        names = self.features[len(self.asks) :]
        return self._full.frames.build(asked, look_up).select(names).rows(named=True)[: len(asked)] if asked else []

    def predict_frame(self, frame: pl.DataFrame, *, at: datetime) -> pl.DataFrame:
        """The answers for a frame of asks, as a frame: decision, score or scores, rung and warnings.

        NaN in a frame is what null is in a request: a value that is missing.
        """
        answers = self.predict(frame.with_columns(pl.selectors.float().fill_nan(None)).to_dicts(), at=at)
        return answers_frame(answers, self.task)

    def score_features(self, x: pl.DataFrame) -> list[list[float]]:
        """The model alone, on features that are there already."""
        found: list[list[float]] = self._full.model.table(steady(x.select(self.features))).tolist()
        return found[: x.height]

    def decision(self, scored: Sequence[float], row: Mapping[str, Any]) -> str | float:
        """What the contract says to do about one row's scores."""
        if self.task == "regression":
            return scored[0]
        return self._decide(dict(zip(self._outcomes, scored, strict=True)), row)

    def over(self, store: FreshStore) -> "Predictor":
        """The same version, its model shared, that looks up in another store."""
        other = copy(self)
        other._full = self._full.over(store)
        return other

    def close(self) -> None:
        """Let go of the model, and of the modules of its code where nobody else has them."""
        for way in (self._full, self._simpler):
            if way is not None:
                way.close()
        self._lease.end()

    def _golden_decision(self, scored: Sequence[float], row: Mapping[str, Any]) -> str | float:
        """What a golden row's scores lead to; of a regression nothing is decided."""
        return "" if self.task == "regression" else self.decision(scored, row)

    def _lacks(self, asked: list[Asked], now: int, look_up: LookUp | None) -> list[Lower | None]:
        """Of each row, why the full model should not answer it."""
        lacks: list[Lower | None]
        try:
            lacks = [None] * len(asked) if look_up is not None else self._full.frames.freshness.lacking(asked, now)
        except Unread as error:
            lacks = [_fallen(self._why(error, len(asked)), "unread")] * len(asked)
        fell = [place for place, one in enumerate(asked) if one.lower is not None]
        for place in fell:
            lower, lack = asked[place].lower, lacks[place]
            lacks[place] = lower if lack is None or lower is None else lower.beside(lack)
        return lacks

    def _by(self, lack: Lower, asked: list[Asked], now: int, look_up: LookUp | None) -> list[Answer]:
        """What the rung says that these rows fall to."""
        if lack.rung == "full":
            found = self._by_full(asked, now, look_up)
            told = [*lack.reasons, *lack.warnings]
            return [msgspec.structs.replace(one, warnings=[*one.warnings, *told]) for one in found]
        if lack.rung == "simpler":
            return self._lower(asked, now, lack, None)
        return self._degraded(asked, now, lack, None)

    def _by_full(self, asked: list[Asked], now: int, look_up: LookUp | None) -> list[Answer]:
        def fell(rows: list[Asked], error: BaseException) -> list[Answer]:
            return self._lower(rows, now, _fallen(self._why(error, len(rows)), _named(error)), error)

        parts = _PARTS if look_up is None else _PARTS_OF_HISTORY
        return each(asked, lambda rows: self._answered(rows, now, self._full, look_up), fell, parts=parts)

    def _lower(self, asked: list[Asked], now: int, why: Lower, error: BaseException | None) -> list[Answer]:
        """What the rungs below the full model say."""
        simpler = self._simpler
        if simpler is None:
            return self._degraded(asked, now, why, error)

        def fell(rows: list[Asked], error: BaseException) -> list[Answer]:
            also = _fallen(self._why(error, len(rows), "the simpler model"), "simpler model")
            return self._degraded(rows, now, why.beside(also), error)

        return each(asked, lambda rows: self._answered(rows, now, simpler, why=why), fell, parts=_PARTS)

    def _why(self, error: BaseException, rows: int, what: str = "the model") -> str:
        """The reason for a lower rung. The log gets where it happened, and no message: that may quote the request."""
        if isinstance(error, Unread):
            return f"fresh values cannot be read: {error}"
        trace = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s@%s: %s on %d rows\n%s", self.model, self.version, type(error).__name__, rows, trace)
        return str(error) if isinstance(error, OutlastError) else f"{what} raised {type(error).__name__}"

    def _answered(
        self, asked: list[Asked], now: int, way: Way, look_up: LookUp | None = None, *, why: Lower | None = None
    ) -> list[Answer]:
        floor = self._full.frames.freshness.floor if way is self._full and look_up is None else 0
        rows, table, marks = way.scored(asked, look_up)
        causes, warned = ((), ()) if why is None else (why.causes, why.warnings)
        width, place = len(self.asks), _PLACE_OF_SCORE[self.task]
        asks, features = way.features[:width], way.features[width:]
        found = []
        for one, row, scored, mark in zip(asked, rows, table, marks, strict=True):
            given, computed = dict(zip(asks, row, strict=False)), dict(zip(features, row[width:], strict=True))
            found.append(
                Answer(
                    prediction_id=new_id(now),
                    key=one.key,
                    at=now,
                    decide_at=one.decide_at,
                    asks=given,
                    features=computed,
                    score=None if place is None else scored[place],
                    scores=dict(zip(self._outcomes, scored, strict=True)) if place is None else None,
                    decision=self.decision(scored, {**given, **computed} if self._reads_columns else _NOTHING),
                    rung=way.rung,
                    reasons=[] if why is None else list(why.reasons),
                    warnings=one.warnings if one.decide_at >= floor and not warned else _warned(one, warned, floor),
                    cells=mark,
                    causes=causes,
                )
            )
        ended("decide")
        return found if self._doubt is None else self._doubt(found)

    def _degraded(self, asked: list[Asked], now: int, why: Lower, error: BaseException | None) -> list[Answer]:
        """The next rung: what the contract declares as the answer when no model can give one."""
        ladder = self.contract.serving.ladder
        decision, score = self._default()
        if why.rung == "refused" or decision is None or (ladder is not None and "default" not in ladder):
            raise self._refused(why) from error
        rung: Rung = "default"
        return [
            Answer(
                prediction_id=new_id(now),
                key=one.key,
                at=now,
                decide_at=one.decide_at,
                asks=dict(zip((ask.name for ask in self.asks), one.values, strict=True)),
                features={},
                score=score,
                scores=None,
                decision=decision,
                rung=rung,
                reasons=list(why.reasons),
                warnings=[*one.warnings, *why.warnings],
                cells=b"",
                causes=why.causes,
            )
            for one in asked
        ]

    def _refused(self, why: Lower) -> OutlastError:
        """The last rung: what a caller is told whom nothing can answer."""
        says, cause = f"{self.model}@{self.version} cannot answer ({why.says})", why.causes[0]
        if why.rung == "refused":
            return Unavailable(f"{says}, and its contract has that refused: try again later", details={"cause": cause})
        if why.asked:
            said = f"{says}, and no lower rung does: correct the row"
            return RequestError(said, details={"field": cause.partition(":")[2], "cause": cause})
        said = f"{says} and its contract declares no default: try again, or declare [serving] defaults"
        return Unavailable(said, details={"cause": cause})

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
    predictor = Predictor(bundle, version, workspace.fresh)
    predictor.explains = Explains(partial(open_bundle, workspace, digest))
    return predictor


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


def _warned(one: Asked, more: tuple[str, ...], floor: int) -> list[str]:
    return [*one.warnings, *more, *([] if one.decide_at >= floor else [_too_early(floor)])]


def _too_early(floor: int) -> str:
    return f"{TOO_EARLY} {moment(floor):%Y-%m-%dT%H:%MZ}, which fresh values no longer hold in full"


def _fields(kept: list[dict[str, Any]]) -> list[Field]:
    return [msgspec.convert(one, Field) for one in kept]


def _fallen(reason: str, cause: str) -> Lower:
    return Lower("simpler", (reason,), (cause,))


def _named(error: BaseException) -> str:
    return "unread" if isinstance(error, Unread) else "model"


def new_id(now: int) -> str:
    """A prediction's id: its moment, and what is drawn at random."""
    return f"{now:014x}{drawn()}"
