"""A version's explanations: its compiled models read once more, when the first answer is asked about."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from outlast.bundle.answers import Answer
from outlast.bundle.compiled import LINKS, encoder
from outlast.bundle.decisions import outcomes
from outlast.bundle.explaining.reference import REFERENCE, Reference
from outlast.bundle.explaining.shares import sharing
from outlast.bundle.explaining.trees import Floats, trees_of
from outlast.bundle.format import Bundle
from outlast.bundle.plan import Forest, Plan, read_plan
from outlast.bundle.scoring import FULL, SIMPLER, Files
from outlast.errors import OutlastError, RequestError, Unexplained, nearest
from outlast.types import Contribution, Explanation, Task

UNITS = {
    "identity": "value",
    "exp": "logarithm of the value",
    "logistic": "log-odds",
    "softmax": "log-odds against the geometric mean of all classes",
    "shares": "probability",
}
_SINGLE = 1e-5
"""How far sums of 32 bits may lie from ours, which are of 64."""
_MODELS = {"full": FULL, "simpler": SIMPLER}
_NOTHING = {
    "default": "the answer is the contract's default: nothing was computed from the fields",
    "refused": "there was no answer",
}


_ODD = (TypeError, ValueError, ArithmeticError, LookupError)
"""What values that are no features of the model, or files that are no model, run into."""


class Explains:
    """What explains the answers of one version; threads may share it."""

    def __init__(self, open_bundle: Callable[[], Bundle]) -> None:
        self._open = open_bundle
        self._made: dict[str, _Model | str] = {}
        self._lock = threading.Lock()

    def answer(self, answer: Answer, of: str | None = None) -> Explanation:
        """An answer explained, or of several classes the score of one; Unexplained where there is no exact way."""
        return self.again({**answer.asks, **answer.features}, answer.rung, answer.score, answer.scores, of=of)

    def again(
        self,
        values: Mapping[str, Any],
        rung: str,
        score: float | None,
        scores: Mapping[str, float | None] | None,
        *,
        of: str | None = None,
    ) -> Explanation:
        """The same of an answer that was kept: its features, its rung, and what was answered."""
        if rung in _NOTHING:
            raise Unexplained(f"No contributions: {_NOTHING[rung]}")
        model = self._model(rung)
        if isinstance(model, str):
            raise Unexplained(f"No contributions: {model}")
        try:
            return model.explained(values, score, scores, of)
        except OutlastError:
            raise
        except _ODD as error:
            raise Unexplained(f"No contributions: they cannot be computed of these values ({error})") from error

    def _model(self, rung: str) -> "_Model | str":
        """What explains a rung, or why nothing does; made once."""
        with self._lock:
            if rung not in self._made:
                bundle = self._open()
                try:
                    self._made[rung] = _Model(bundle, _MODELS[rung])
                except (OutlastError, *_ODD) as error:
                    self._made[rung] = str(error)
            return self._made[rung]


class _Model:
    """One compiled model of a version, against its reference."""

    def __init__(self, bundle: Bundle, files: Files) -> None:
        about = bundle.manifest["simpler"] if files is SIMPLER else bundle.manifest
        names: list[str] = about["features"]
        self._plan = plan = _plan(bundle, files)
        self._task: Task = bundle.manifest["task"]
        self._outcomes = outcomes(self._task, bundle.manifest["classes"])
        self._tolerance = bundle.contract.serving.tolerance
        if isinstance(plan.model, Forest) and plan.model.single:
            self._tolerance = max(self._tolerance, _SINGLE)
        self._names = list(dict.fromkeys(column.name for column in plan.columns))
        self._order, self._encode = names, encoder(plan.columns, names)
        players = np.array([self._names.index(column.name) for column in plan.columns])
        trees = trees_of(bundle.files[files.trees]) if isinstance(plan.model, Forest) else None
        self._shares = sharing(plan, trees, players, self._matrix(bundle))

    def explained(
        self, values: Mapping[str, Any], score: float | None, scores: Mapping[str, float | None] | None, of: str | None
    ) -> Explanation:
        plan = self._plan
        shares = self._shares.of(self._line(values))
        found, at_base = _scores(plan, shares.sums), _scores(plan, shares.base)
        answered = self._answered(score, scores)
        if not all(abs(a - b) <= self._tolerance * max(1.0, abs(b)) for a, b in zip(found, answered, strict=True)):
            raise Unexplained(
                f"No contributions: they would lead to {found}, and {answered} was answered; the values are not those "
                "that were computed from, or the fitted model served"
            )
        place = self._place(of, answered)
        weights, constant = _weighted(plan, place)
        by, base = weights @ shares.by, float(weights @ shares.base) + constant
        parts = [
            Contribution(name, values.get(name), float(one)) for name, one in zip(self._names, by.tolist(), strict=True)
        ]
        return Explanation(
            of=None if self._task == "regression" else self._outcomes[place],
            unit=UNITS[plan.link],
            base=base,
            base_score=at_base[place],
            margin=base + float(by.sum()),
            score=answered[place],
            contributions=sorted(parts, key=lambda one: -abs(one.by)),
            reference_rows=self._shares.rows,
        )

    def _matrix(self, bundle: Bundle) -> Floats:
        """The reference rows as the model reads them."""
        if REFERENCE not in bundle.files:
            raise Unexplained("this version was trained before there were explanations: train it again")
        kept = msgspec.json.decode(bundle.files[REFERENCE], type=Reference)
        lines = [self._line(dict(zip(kept.names, row, strict=True))) for row in kept.rows]
        return np.array(lines, dtype=np.float64).reshape(len(lines), len(self._plan.columns))

    def _line(self, values: Mapping[str, Any]) -> list[float]:
        absent = next((name for name in self._names if name not in values), None)
        if absent is not None:
            raise Unexplained(f"No contributions: what '{absent}' was is not kept")
        return self._encode([values.get(name) for name in self._order])

    def _answered(self, score: float | None, scores: Mapping[str, float | None] | None) -> list[float]:
        if scores is not None:
            return [scores[name] or 0.0 for name in self._outcomes]
        if score is None:
            raise Unexplained("No contributions: the answer has no score")
        return [score] if self._task == "regression" else [1.0 - score, score]

    def _place(self, of: str | None, answered: Sequence[float]) -> int:
        """The outcome that is explained: the one asked about, else yes, or the likeliest class."""
        if of is not None:
            require_outcome(of, self._task, self._outcomes)
            return self._outcomes.index(of)
        return len(answered) - 1 if self._task != "multiclass" else max(range(len(answered)), key=answered.__getitem__)


def require_outcome(of: str, task: Task, names: Sequence[str]) -> None:
    """RequestError where there is no such outcome to explain."""
    if task == "regression":
        raise RequestError("A regression has one score: leave out which outcome to explain", details={"field": of[:80]})
    if of not in names:
        raise RequestError(f"There is no outcome '{of[:80]}' to explain: {nearest(of, names)}")


def _plan(bundle: Bundle, files: Files) -> Plan:
    if files.plan in bundle.files:
        return read_plan(bundle.files[files.plan])
    summary = bundle.json("summary.json")
    about = (summary.get("simpler") if files is SIMPLER else summary) or {}
    says = (about.get("compiled") or {}).get("says", "the fitted model serves")
    raise Unexplained(f"only models that are compiled are explained, and of this one {says}")


def _scores(plan: Plan, sums: Floats) -> list[float]:
    """The scores that sums lead to, in the order of the outcomes."""
    found = LINKS[plan.link]([plan.factor * one / plan.count for one in sums.tolist()])
    whole = [0.0] * plan.classes
    for place, one in zip(plan.places or range(plan.classes), found, strict=True):
        whole[place] = one
    return whole


def _weighted(plan: Plan, place: int) -> tuple[Floats, float]:
    """How the sums make the margin of an outcome, and what is added to them."""
    sums = plan.model.outputs if isinstance(plan.model, Forest) else len(plan.model.weights)
    scale = plan.factor / plan.count
    if not plan.places:
        return np.array([scale]), 0.0
    if place not in plan.places:
        raise Unexplained("No contributions: training had no row of this outcome")
    which = plan.places.index(place)
    if sums == 1:  # of two outcomes, the second is summed
        if which == 1:
            return np.array([scale]), 0.0
        return np.array([-scale]), 1.0 if plan.link == "shares" else 0.0
    weights = np.zeros(sums)
    weights[which] = scale
    return (weights - scale / sums if plan.link == "softmax" else weights), 0.0
