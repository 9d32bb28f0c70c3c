"""From predictions and their labels to counts: which labels count, and what each decision was worth.

What a prediction adds is a pure function of its row, of the label it has and of whether it is matured. So what
changed is counted as minus what it added before, plus what it adds now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import Payoff
from outlast.data.past import Past
from outlast.data.profile import CELLS
from outlast.journal.spelling import value_of
from outlast.monitoring.counting.answered import Answered, Bools, Floats, ScoreCells
from outlast.monitoring.counting.counts import AGES, Counts, Ints, age_buckets
from outlast.monitoring.counting.mills import add_mills
from outlast.monitoring.counting.tabling import Rows, table
from outlast.monitoring.counting.worth import Worth
from outlast.project.contract import Contract
from outlast.types import Task, duration, micros

COLUMNS = ("decide_at", "rung", "score", "scores", "decision", "warnings", "cells", "asks", "features")
"""The columns of the journal's predictions that counting reads."""
NEVER = 2**62
"""The moment, in microseconds, at which a label is known that is not there."""

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
    past: Past | None = None
    """What the version kept of its reference: its scale of loss, and where loss lay."""

    @classmethod
    def of(
        cls,
        contract: Contract,
        task: Task,
        *,
        features: Sequence[str],
        score_cells: ScoreCells | None = None,
        past: Past | None = None,
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
            past=past,
        )

    def answered(self, rows: pl.DataFrame) -> Answered:
        """Predictions of a version under these terms."""
        return Answered(rows, self.task, len(self.features), self.score_cells)


@dataclass(frozen=True)
class States:
    """What was known of some predictions: their places, the sign, the label as JSON text, when that was known, and
    whether the prediction was matured."""

    places: Ints
    signs: Ints
    values: pl.Series
    known: Ints
    matured: Bools

    @classmethod
    def none(cls) -> "States":
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, pl.Series([], dtype=pl.String), nothing, nothing.astype(bool))


def count(rows: pl.DataFrame, terms: Terms, now: datetime) -> Counts:
    """The counts of predictions as they are known now: a label that became known later is not here yet."""
    answered, states = _as_known(rows, terms, now)
    every = states.places
    added = measured(answered, (every, np.ones(len(every), np.int64)), states, terms)
    return next(table(added, np.zeros(2 * len(every), np.int64), 1, terms.features))


def worths(rows: pl.DataFrame, terms: Terms, now: datetime) -> tuple[Floats, Floats]:
    """What each decision turned out to be worth, and what the baseline's would have been.

    NaN where the outcome does not count yet, or a decision has no price under these terms.
    """
    answered, states = _as_known(rows, terms, now)
    ours, theirs = np.full(rows.height, np.nan), np.full(rows.height, np.nan)
    if rows.height and (terms.payoff or terms.per_unit_error is not None):
        here, earned, before = Outcomes(answered, states, terms, 0).priced()
        ours[here], theirs[here] = earned, before
    return ours, theirs


def _as_known(rows: pl.DataFrame, terms: Terms, now: datetime) -> tuple[Answered, States]:
    """Joined predictions and what is known of each at a moment."""
    answered, moment = terms.answered(rows), micros(now)
    known = rows["known_at"].dt.epoch("us").fill_null(NEVER).to_numpy()
    matured = answered.decided + terms.maturity // timedelta(microseconds=1) <= moment
    values = rows.select(pl.when(pl.Series(known <= moment)).then(pl.col("value")).alias("value"))["value"]
    every = np.arange(len(answered))
    return answered, States(every, np.ones(len(every), np.int64), values, known, matured)


def measured(answered: Answered, arrived: tuple[Ints, Ints], states: States, terms: Terms) -> Rows:
    """What predictions add by being there, place and sign in `arrived`; then, as further rows, what states add."""
    places, signs = arrived
    offset = np.arange(len(places))
    rows = Rows(np.concatenate([signs, states.signs]), offset)
    _answers(rows, answered, places, terms)
    if len(states.places):
        Outcomes(answered, states, terms, len(places)).add_to(rows)
    return rows


def _answers(rows: Rows, answered: Answered, places: Ints, terms: Terms) -> None:
    cells, sound = answered.cells
    fitting = np.flatnonzero(sound[places])
    columns = np.arange(cells.shape[1], dtype=np.int64) * CELLS
    rows.adds["cells"] = (fitting, cells[places[fitting]] + columns, None)
    scored = np.flatnonzero(answered.score_cells[places] >= 0)
    rows.adds["scores"] = (scored, answered.score_cells[places[scored]], None)
    if terms.past is not None:
        both = fitting[answered.score_cells[places[fitting]] >= 0]
        where = terms.past.tree.leaves(cells[places[both]]) * CELLS + answered.score_cells[places[both]]
        rows.adds["leaves"] = (both, where, None)
    mine = answered.rows.select("rung", "decision", warned=pl.col("warnings").list.len() > 0)[places]
    rows.tallies["uncounted"] = np.flatnonzero(~sound[places])
    rows.tallies["warned"] = np.flatnonzero(mine["warned"].to_numpy())
    rows.tallies |= _by_word("rung", mine["rung"])
    if answered.task != "regression":
        rows.tallies |= _by_word("decision", mine["decision"])


def _by_word(prefix: str, words: pl.Series) -> dict[str, Ints]:
    """The rows that have each word."""
    return {
        f"{prefix}:{word}": np.flatnonzero((words == word).fill_null(False).to_numpy())
        for word in words.drop_nulls().unique().to_list()
    }


class Outcomes:
    """What was known of predictions as arrays, a row for each state: what was true, and whether that counts yet."""

    def __init__(self, answered: Answered, states: States, terms: Terms, offset: int) -> None:
        self.answered, self.terms, self.offset, self.places = answered, terms, offset, states.places
        self.truth = _truths(states.values, terms.task)
        given = states.values.is_not_null().to_numpy()
        self.labelled: Bools = self.truth.is_not_null().to_numpy()
        self.unreadable: Bools = given & ~self.labelled
        self.matured = states.matured
        self.assumed: Bools = self.matured & ~self.labelled & terms.silence_is_no
        self.counted: Bools = self.matured & (self.labelled | self.assumed)
        """Predictions whose outcome is known, or taken for no, and old enough to stand for the others."""
        self.ages: Floats = np.maximum(states.known - answered.decided[self.places], 0) / 1e6
        self.score_cells, self.scored = answered.score_cells[self.places], answered.scored[self.places]

    def add_to(self, rows: Rows) -> None:
        for name, which in {
            "matured": self.matured,
            "labelled": self.matured & self.labelled,
            "early": ~self.matured & self.labelled,
            "assumed": self.assumed,
            "unreadable": self.unreadable,
        }.items():
            rows.tallies[name] = np.flatnonzero(which) + self.offset
        celled = self.score_cells >= 0
        here = np.flatnonzero(self.labelled & celled)
        aged = age_buckets(self.ages[here])
        side = (self.score_cells[here] * 2 + self._sides(here)) * (len(AGES) + 1) + aged
        rows.adds["labels"] = (here + self.offset, side, None)
        here = np.flatnonzero(self.counted & celled)
        rows.adds["graded"] = (here + self.offset, self.score_cells[here] * 2 + self._sides(here), None)
        here = np.flatnonzero(self.matured & celled)
        rows.adds["covered"] = (here + self.offset, self.score_cells[here] * 2 + self.labelled[here], None)
        for name, which in (("score:labelled", self.labelled), ("score:silent", ~self.labelled)):
            here = np.flatnonzero(self.matured & self.scored & which)
            rows.values[name] = (here + self.offset, self.answered.scores[self.places[here]])
        self._add_losses(rows)
        self._add_worth(rows)
        if self.terms.past is not None and len(self.answered):
            add_mills(rows, self, self.terms.past)

    def outcomes(self, here: Ints) -> npt.NDArray[Any]:
        """What happened: 0 or 1, a number, or the name of a class. What is assumed is a no."""
        found = self.truth.gather(here)
        return found.to_numpy() if self.terms.task == "multiclass" else found.fill_null(0).to_numpy()

    def _sides(self, here: Ints) -> Ints:
        outcomes = self.outcomes(here)
        if self.terms.task == "binary":
            return outcomes.astype(np.int64)
        if self.terms.task == "regression":
            return (outcomes >= self.answered.scores[self.places[here]]).astype(np.int64)
        classes = (self.answered.classes[place] for place in self.places[here].tolist())
        return np.array([truth == top for truth, top in zip(outcomes, classes, strict=True)], np.int64)

    def _add_losses(self, rows: Rows) -> None:
        """What the model's own answers lost; answers of lower rungs are not the model's."""
        here = np.flatnonzero(self.counted & self.scored)
        outcomes = self.outcomes(here)
        if self.terms.task == "multiclass":
            found = self._class_losses(here, outcomes)
        else:
            found = _losses(self.terms.task, self.answered.scores[self.places[here]], outcomes)
        rows.values |= {name: (here + self.offset, values) for name, values in found.items()}

    def _class_losses(self, here: Ints, outcomes: npt.NDArray[Any]) -> dict[str, Floats]:
        chances = [self.answered.chances[place] for place in self.places[here].tolist()]
        given = [max(chance.get(truth, 0.0), _LEAST) for chance, truth in zip(chances, outcomes, strict=True)]
        return {"log_loss": -np.log(np.array(given, np.float64)), "accuracy": self._sides(here).astype(np.float64)}

    def priced(self) -> tuple[Ints, Floats, Floats]:
        """Rows that count with a decision, what that was worth, and what the baseline's would have been."""
        terms = self.terms
        decided = np.array([one is not None for one in self.answered.decisions], bool)
        here = np.flatnonzero(self.counted & decided[self.places])
        outcomes = self.outcomes(here)
        prices = {"payoff": terms.payoff, "per_unit_error": terms.per_unit_error, "baseline": terms.baseline}
        worth = Worth(self.answered, self.places[here], **prices)  # type: ignore[arg-type]
        return here, worth.earned(outcomes), worth.baseline(outcomes)

    def _add_worth(self, rows: Rows) -> None:
        if not self.terms.payoff and self.terms.per_unit_error is None:
            return
        here, earned, before = self.priced()
        rows.tallies["unpriced"] = here[np.isnan(earned)] + self.offset
        for name, values in (("value", earned), ("gain", earned - before)):
            known = ~np.isnan(values)
            rows.values[name] = (here[known] + self.offset, values[known])


def _losses(task: Task, scores: Floats, truths: Floats) -> dict[str, Floats]:
    if task == "regression":
        missed = truths - scores
        return {"mae": np.abs(missed), "rmse": missed, "truth": truths}
    chances = np.clip(scores, _LEAST, 1 - _LEAST)
    return {
        "log_loss": -np.where(truths > 0, np.log(chances), np.log1p(-chances)),
        "brier": (scores - truths) ** 2,
        "accuracy": ((scores > 0.5) == (truths > 0)).astype(np.float64),
    }


def _truths(labels: pl.Series, task: Task) -> pl.Series:
    """Labels as 0 or 1, as a class, or as a number; null where there is none, or one that cannot be read."""
    read = {"binary": _yes_or_no, "multiclass": _class, "regression": _number}[task]
    dtype = {"binary": pl.Int64(), "multiclass": pl.String(), "regression": pl.Float64()}[task]
    given = labels.drop_nulls().unique()
    plain = [value_of(label) for label in given.to_list()]
    known = pl.Series([None if value is None else read(value) for value in plain], dtype=dtype)
    if known.is_empty():
        return pl.repeat(None, len(labels), dtype=dtype, eager=True)
    return labels.replace_strict(given, known, default=None, return_dtype=dtype)


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
