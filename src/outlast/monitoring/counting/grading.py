"""From journalled predictions and their labels to counts: which labels count, and what each decision was worth."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import OUTCOMES, Payoff, worth_of
from outlast.data.profile import CELLS
from outlast.journal.spelling import from_text, value_of
from outlast.monitoring.counting.counts import AGES, Counts, Ints, age_buckets, cell_counts
from outlast.monitoring.counting.sums import Moments
from outlast.project.contract import Contract
from outlast.types import Task, duration, micros

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ScoreCells = Callable[[Floats], npt.NDArray[Any]]

COLUMNS = (
    *("decide_at", "rung", "score", "scores", "decision", "warnings", "cells", "asks", "features"),
    *("value", "known_at"),
)
"""The columns of the journal's joined predictions that counting reads."""

_LEAST = 1e-15
_YES, _NO = {"true", "yes", "1", "1.0"}, {"false", "no", "0", "0.0"}


@dataclass(frozen=True)
class Terms:
    """What a version's predictions are held to."""

    task: Task
    features: tuple[str, ...]
    maturity: timedelta = timedelta(0)
    silence_is_no: bool = False
    payoff: Payoff | None = None
    per_unit_error: float | str | None = None
    baseline: str = "nobody acts"
    score_cells: ScoreCells | None = None

    @classmethod
    def of(
        cls, contract: Contract, task: Task, *, features: Sequence[str], score_cells: ScoreCells | None = None
    ) -> "Terms":
        """The terms of a contract. Without a maturity, or a delay to go by, a prediction is matured at once."""
        return cls(
            task,
            tuple(features),
            maturity=duration(contract.label.maturity or contract.label.delay or "0s"),
            silence_is_no=contract.label.silence == "no" and task == "binary",
            payoff=contract.value.payoff,
            per_unit_error=contract.value.per_unit_error,
            baseline=contract.value.baseline,
            score_cells=score_cells,
        )


def count(rows: pl.DataFrame, terms: Terms, now: datetime) -> Counts:
    """The counts of predictions as they are known now: a label that became known later is not here yet."""
    graded = _Graded(rows, terms, now)
    cells, uncounted = cell_counts(rows["cells"].to_list(), len(terms.features))
    tallies = Counter({"uncounted": uncounted, **graded.tallies()})
    tallies.update(f"rung:{rung}" for rung in rows["rung"].to_list())
    tallies.update(f"decision:{d}" for d in graded.decisions if d is not None and terms.task != "regression")
    tallies["warned"] = int((rows["warnings"].list.len() > 0).sum())
    worth, unpriced = _worth(graded)
    tallies["unpriced"] = unpriced
    return Counts(
        terms.features,
        rows.height,
        cells,
        np.bincount(graded.cells[graded.cells >= 0], minlength=CELLS).astype(np.int64),
        graded.by_age(),
        graded.by_outcome(),
        {name: n for name, n in sorted(tallies.items()) if n},
        {name: Moments.of(values) for name, values in sorted({**_losses(graded), **worth}.items()) if len(values)},
    )


def worths(rows: pl.DataFrame, terms: Terms, now: datetime) -> tuple[Floats, Floats]:
    """What each decision turned out to be worth, and what the baseline's would have been.

    NaN where the outcome does not count yet, or a decision has no price under these terms.
    """
    graded = _Graded(rows, terms, now)
    ours, theirs = np.full(rows.height, np.nan), np.full(rows.height, np.nan)
    places = [int(row) for row in np.flatnonzero(graded.counted) if graded.decisions[row] is not None]
    if not places or (not terms.payoff and terms.per_unit_error is None):
        return ours, theirs
    earned, before = _priced(graded, places)
    ours[places], theirs[places] = (np.array(found, np.float64) for found in (earned, before))
    return ours, theirs


class _Graded:
    """Columns of predictions as arrays: what was scored, what was true, and whether that counts yet."""

    def __init__(self, rows: pl.DataFrame, terms: Terms, now: datetime) -> None:
        self.rows, self.terms = rows, terms
        decided = rows["decide_at"].dt.epoch("us").to_numpy()
        moment = micros(now)
        known = rows["known_at"].dt.epoch("us").fill_null(2**62).to_numpy()
        self.truth = _truths(rows["value"].to_list(), terms.task)
        here = known <= moment
        given = rows["value"].is_not_null().to_numpy()
        read = np.array([t is not None for t in self.truth], bool)
        self.unreadable = int((given & here & ~read).sum())
        self.labelled: Bools = read & here
        self.matured: Bools = decided + terms.maturity // timedelta(microseconds=1) <= moment
        self.assumed: Bools = self.matured & ~self.labelled & terms.silence_is_no
        self.ages: Floats = np.maximum(known - decided, 0) / 1e6
        self.decisions: list[Any] = rows["decision"].to_list()
        self.full: Bools = (rows["rung"] == "full").fill_null(False).to_numpy()
        self.scores, self.classes = _scores(rows, terms.task)
        self.scored: Bools = np.isfinite(self.scores) & self.full
        self.cells = self._cells()

    @property
    def counted(self) -> Bools:
        """Predictions whose outcome is known, or taken for no, and old enough to stand for the others."""
        return self.matured & (self.labelled | self.assumed)

    def outcome(self, row: int) -> Any:
        return 0 if self.assumed[row] else self.truth[row]

    def tallies(self) -> dict[str, int]:
        return {
            "matured": int(self.matured.sum()),
            "labelled": int((self.matured & self.labelled).sum()),
            "early": int((~self.matured & self.labelled).sum()),
            "assumed": int(self.assumed.sum()),
            "unreadable": self.unreadable,
        }

    def by_age(self) -> Ints:
        return _table(self, self.labelled & (self.cells >= 0), aged=True)

    def by_outcome(self) -> Ints:
        return _table(self, self.counted & (self.cells >= 0), aged=False)

    def _cells(self) -> Ints:
        found = np.full(len(self.scores), -1, np.int64)
        if self.terms.score_cells is not None and self.scored.any():
            found[self.scored] = self.terms.score_cells(self.scores[self.scored])
        return found


def _table(graded: _Graded, chosen: Bools, *, aged: bool) -> Ints:
    table = np.zeros((CELLS, 2, len(AGES) + 1) if aged else (CELLS, 2), np.int64)
    places = np.flatnonzero(chosen)
    sides = np.array([_side(graded, row) for row in places.tolist()], np.int64)
    where = (graded.cells[places], sides, *([age_buckets(graded.ages[places])] if aged else []))
    np.add.at(table, where, 1)
    return table


def _side(graded: _Graded, row: int) -> int:
    truth = graded.outcome(row)
    if graded.terms.task == "binary":
        return int(truth)
    if graded.terms.task == "multiclass":
        return int(truth == graded.classes[row])
    return int(truth >= graded.scores[row])


def _truths(labels: list[Any], task: Task) -> list[Any]:
    """Labels as 0 or 1, as a class, or as a number; None where there is none, or one that cannot be read."""
    read = {"binary": _yes_or_no, "multiclass": _class, "regression": _number}[task]
    known: dict[Any, Any] = {}
    for label in labels:
        if label not in known:
            plain = None if label is None else value_of(label)
            known[label] = None if plain is None else read(plain)
    return [known[label] for label in labels]


def _yes_or_no(label: Any) -> int | None:
    word = str(label).strip().lower()
    return 1 if word in _YES else 0 if word in _NO else None


def _class(label: Any) -> str:
    return str(int(label) if isinstance(label, float) and label.is_integer() else label)


def _number(label: Any) -> float | None:
    try:
        number = float(label)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _scores(rows: pl.DataFrame, task: Task) -> tuple[Floats, list[str | None]]:
    """One score per prediction (of several classes, the greatest), and the likeliest class."""
    if task != "multiclass":
        return rows["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy(), [None] * rows.height
    tops: list[tuple[float, str | None]] = []
    for chances in map(_chances, rows["scores"].to_list()):
        top = max(chances, key=lambda name: chances[name]) if chances else None
        tops.append((float("nan"), None) if top is None else (chances[top], top))
    return np.array([score for score, _ in tops], np.float64), [name for _, name in tops]


def _chances(scores: str | None) -> dict[str, float]:
    return {} if scores is None else {name: chance for name, chance in from_text(scores).items() if chance is not None}


def _losses(graded: _Graded) -> dict[str, list[float]]:
    """What the model's own answers lost, by name; answers of lower rungs are not the model's."""
    places = np.flatnonzero(graded.counted & graded.scored)
    truths = [graded.outcome(row) for row in places.tolist()]
    if graded.terms.task == "multiclass":
        return _class_losses(graded, places, truths)
    scores, found = graded.scores[places], np.array(truths, np.float64)
    if graded.terms.task == "regression":
        missed = found - scores
        return {"mae": np.abs(missed).tolist(), "rmse": missed.tolist(), "truth": found.tolist()}
    chances = np.clip(scores, _LEAST, 1 - _LEAST)
    right = (scores > 0.5) == (found > 0)
    return {
        "log_loss": (-np.where(found > 0, np.log(chances), np.log1p(-chances))).tolist(),
        "brier": ((scores - found) ** 2).tolist(),
        "accuracy": right.astype(np.float64).tolist(),
    }


def _class_losses(graded: _Graded, places: npt.NDArray[Any], truths: list[str]) -> dict[str, list[float]]:
    spelled = graded.rows["scores"].to_list()
    given = [max(_chances(spelled[row]).get(truth, 0.0), _LEAST) for row, truth in zip(places, truths, strict=True)]
    right = [float(graded.classes[row] == truth) for row, truth in zip(places, truths, strict=True)]
    return {"log_loss": [-float(np.log(chance)) for chance in given], "accuracy": right}


def _worth(graded: _Graded) -> tuple[dict[str, list[float]], int]:
    """What matured decisions were worth, how much more than the baseline's, and how many had no price."""
    terms = graded.terms
    if not terms.payoff and terms.per_unit_error is None:
        return {}, 0
    places = [int(row) for row in np.flatnonzero(graded.counted) if graded.decisions[row] is not None]
    earned, before = _priced(graded, places)
    gains = [a - b for a, b in zip(earned, before, strict=True) if a is not None and b is not None]
    priced = [worth for worth in earned if worth is not None]
    return {"value": priced, "gain": gains}, len(places) - len(priced)


def _priced(graded: _Graded, places: list[int]) -> tuple[list[float | None], list[float | None]]:
    """What these decisions were worth, and what the baseline's would have been."""
    terms = graded.terms
    read = _by_error if terms.task == "regression" else _by_outcome
    columns = [{**_named(graded.rows["features"][row]), **_named(graded.rows["asks"][row])} for row in places]
    earned = [read(graded, row, graded.decisions[row], named) for row, named in zip(places, columns, strict=True)]
    before = [
        None if decision is None else _by_outcome(graded, row, decision, named)
        for row, decision, named in zip(places, _baseline(terms, columns), columns, strict=True)
    ]
    return earned, before


def _by_error(graded: _Graded, row: int, decision: Any, named: Mapping[str, Any]) -> float | None:
    amount, predicted = graded.terms.per_unit_error, _number(decision)
    price = None if amount is None or predicted is None else _amount(amount, named)
    return None if price is None or predicted is None else price * abs(graded.outcome(row) - predicted)


def _by_outcome(graded: _Graded, row: int, decision: Any, named: Mapping[str, Any]) -> float | None:
    truth = graded.outcome(row)
    outcome = OUTCOMES[truth] if graded.terms.task == "binary" else truth
    amount = (graded.terms.payoff or {}).get(str(decision), {}).get(outcome)
    return None if amount is None else _amount(amount, named)


def _amount(amount: float | str, named: Mapping[str, Any]) -> float | None:
    """A payoff, perhaps the value of a column; None when the prediction has no such column."""
    if isinstance(amount, str) and amount not in named:
        return None
    return worth_of(amount, named)


def _baseline(terms: Terms, columns: list[dict[str, Any]]) -> list[str | None]:
    """What would have been decided without the model; None where the rule cannot be read from the columns."""
    names, rule = list(terms.payoff or {}), terms.baseline
    if not names or terms.task == "regression":
        return [None] * len(columns)
    constant = {"nobody acts": names[-1], "everybody acts": names[0], **{name: name for name in names}}
    if rule in constant:
        return [constant[rule]] * len(columns)
    needed = pl.sql_expr(rule).meta.root_names()
    if not columns or any(name not in named for name in needed for named in columns):
        return [None] * len(columns)
    frame = pl.DataFrame({name: [named[name] for named in columns] for name in needed}, strict=False)
    acts = frame.select(pl.sql_expr(rule).fill_null(False).alias("act"))["act"].to_list()
    return [names[0] if act else names[-1] for act in acts]


def _named(columns: str | None) -> dict[str, Any]:
    return {} if columns is None else from_text(columns)
