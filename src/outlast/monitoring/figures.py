"""Figures from counts: what can be computed has a value, what cannot has a reason."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from outlast.data.profile import ABOVE, BELOW, BINS, MISSING, UNSEEN, Bins, Profile
from outlast.monitoring import evidence
from outlast.monitoring.counting.counts import Counts, Ints
from outlast.types import Task, counted

ENOUGH = 100
"""Rows below which a window says nothing about how values are spread."""

RATES = {"missing": MISSING, "below": BELOW, "above": ABOVE, "unseen": UNSEEN}
_WIDE = 1.96


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval and the rows behind it, or the reason why there is none."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str, n: int = 0) -> "Figure":
        return cls(None, n, reason=reason)


@dataclass(frozen=True)
class ColumnFigures:
    """One feature in one window: how often it was missing or out of range, and how it moved."""

    column: str
    kind: str
    rates: Mapping[str, Figure]
    location: Figure
    psi: Figure
    moved: Figure


@dataclass(frozen=True)
class Figures:
    """What the counts of a window, or of several together, say."""

    rows: int
    columns: tuple[ColumnFigures, ...]
    score: ColumnFigures | None
    coverage: Figure
    assumed: int
    early: int
    metrics: Mapping[str, Figure]
    value: Figure
    value_per_decision: Figure
    gain_per_decision: Figure
    rungs: Mapping[str, int]
    decisions: Mapping[str, int]
    warned: int
    bias: Figure
    """By how much the mean score of predictions that are old enough differs: with a label minus without."""
    coverage_by_score: tuple[Figure, ...] = ()
    """The share of labels in each bin of the scores, the lowest first."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def figures(counts: Counts, profile: Profile, task: Task, *, columns: bool = True) -> Figures:
    """The figures of some counts against the profile that was frozen at training; perhaps without its columns."""
    shown = enumerate(profile.features) if columns else ()
    matured = counts.tally("matured")
    labelled = counts.tally("labelled")
    coverage = Figure.missing("no prediction is matured yet")
    if matured:
        coverage = Figure(labelled / matured, matured, *wilson(labelled, matured))
    return Figures(
        counts.rows,
        tuple(column(bins, counts.cells[index]) for index, bins in shown),
        None if profile.scores is None or not columns else column(profile.scores, counts.scores),
        coverage,
        counts.tally("assumed"),
        counts.tally("early"),
        {name: read(counts) for name, read in METRICS[task].items()},
        _total(counts),
        _mean(counts, "value", _no_money(counts)),
        _mean(counts, "gain", _no_money(counts)),
        counts.named("rung"),
        counts.named("decision"),
        counts.tally("warned"),
        _bias(counts),
        tuple(_share(int(labelled), int(silent + labelled)) for silent, labelled in counts.array("covered")[:BINS]),
    )


def column(bins: Bins, cells: Ints) -> ColumnFigures:
    """How one feature, or the score, did against its frozen bins."""
    rows, reference = int(cells.sum()), reference_of(bins)
    rates = {}
    for name, cell in RATES.items():
        if (name in ("below", "above")) == (bins.kind == "number") or name == "missing":
            hits = int(cells[cell])
            rates[name] = Figure(hits / rows, rows, *wilson(hits, rows)) if rows else Figure.missing("no rows")
    too_few = Figure.missing(f"{counted(rows, 'row')}, at least {ENOUGH} are needed", rows)
    if rows < ENOUGH or not reference.sum():
        reason = too_few if reference.sum() else Figure.missing("training kept no reference of it", rows)
        return ColumnFigures(bins.name, bins.kind, rates, reason, reason, reason)
    psi, moved = evidence.psi(cells, reference), evidence.moved(cells, reference)
    return ColumnFigures(bins.name, bins.kind, rates, _location(bins, cells), _plain(psi, rows), _plain(moved, rows))


def _location(bins: Bins, cells: Ints) -> Figure:
    if bins.kind != "number":
        return Figure.missing("categories have no order", int(cells.sum()))
    reference = reference_of(bins)
    place = evidence.location(cells, reference)
    n = evidence.present(cells)
    if place is None:
        return Figure.missing("no value on one of the sides", n)
    _, variance = evidence.midranks(reference)
    error = math.sqrt(variance / n)
    return Figure(place, n, place - _WIDE * error, place + _WIDE * error)


def _plain(value: float | None, rows: int) -> Figure:
    return Figure.missing("nothing to compare with", rows) if value is None else Figure(value, rows)


def reference_of(bins: Bins) -> Ints:
    """The counts of training, cell by cell."""
    return np.asarray(bins.counts, np.int64)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % score interval of a rate (Wilson 1927); assumes independent rows."""
    p, z2 = hits / rows, _WIDE**2
    centre, half = p + z2 / (2 * rows), _WIDE * math.sqrt(p * (1 - p) / rows + z2 / (4 * rows**2))
    low, high = (centre - half) / (1 + z2 / rows), (centre + half) / (1 + z2 / rows)
    return min(max(0.0, low), p), max(min(1.0, high), p)  # rounding must not push the rate out of its interval


def _share(hits: int, rows: int) -> Figure:
    return Figure(hits / rows, rows, *wilson(hits, rows)) if rows else Figure.missing("no rows")


def _bias(counts: Counts) -> Figure:
    """Welch's interval; assumes independent rows."""
    with_, without = counts.moment("score:labelled"), counts.moment("score:silent")
    rows = with_.n + without.n
    if with_.mean is None or without.mean is None:
        said = "every matured prediction has a label" if with_.n else _no_labels(counts)
        return Figure.missing(said, rows)
    value = with_.mean - without.mean
    if with_.error is None or without.error is None:
        return Figure(value, rows)
    half = _WIDE * math.hypot(with_.error, without.error)
    return Figure(value, rows, value - half, value + half)


def _no_labels(counts: Counts) -> str:
    if not counts.tally("matured"):
        return "no prediction is matured yet"
    return "no matured prediction of the model has a label"


def _no_money(counts: Counts) -> str:
    if counts.tally("unpriced"):
        return f"{counts.tally('unpriced')} decisions have no price: a column that the contract prices by was not kept"
    if counts.tally("labelled") + counts.tally("assumed"):
        return "the contract names no payoff that these decisions can be priced by"
    return _no_labels(counts)


def _mean(counts: Counts, name: str, reason: str) -> Figure:
    """A mean with its normal interval; assumes independent rows, so it is too narrow where rows come in storms."""
    moments = counts.moment(name)
    mean, error = moments.mean, moments.error
    if mean is None:
        return Figure.missing(reason)
    if error is None:
        return Figure(mean, moments.n)
    return Figure(mean, moments.n, mean - _WIDE * error, mean + _WIDE * error)


def _total(counts: Counts) -> Figure:
    """Money of the window's matured decisions together; its interval assumes independent rows."""
    moments = counts.moment("value")
    if not moments.n:
        return Figure.missing(_no_money(counts))
    half = None if moments.error is None else _WIDE * moments.error * moments.n
    low, high = (None, None) if half is None else (moments.sum - half, moments.sum + half)
    return Figure(moments.sum, moments.n, low, high)


def _roc_auc(counts: Counts) -> Figure:
    found, n = evidence.area(counts.graded), int(counts.graded.sum())
    if found is None:
        return Figure.missing("labels of both outcomes are needed" if n else _no_labels(counts), n)
    value, error = found
    return Figure(value, n, max(0.0, value - _WIDE * error), min(1.0, value + _WIDE * error))


def _rmse(counts: Counts) -> Figure:
    moments = counts.moment("rmse")
    if not moments.n:
        return Figure.missing(_no_labels(counts))
    return Figure(math.sqrt(max(0.0, math.fsum(moments.squares)) / moments.n), moments.n)


def _r2(counts: Counts) -> Figure:
    missed, truth = counts.moment("rmse"), counts.moment("truth")
    if not truth.n:
        return Figure.missing(_no_labels(counts))
    if not truth.variance:
        return Figure.missing("all labels are equal", truth.n)
    return Figure(1 - math.fsum(missed.squares) / (truth.variance * (truth.n - 1)), truth.n)


def _mean_of(name: str) -> Callable[[Counts], Figure]:
    return lambda counts: _mean(counts, name, _no_labels(counts))


_COMMON = {"log_loss": _mean_of("log_loss"), "accuracy": _mean_of("accuracy")}
METRICS: Mapping[Task, Mapping[str, Callable[[Counts], Figure]]] = {
    "binary": {"roc_auc": _roc_auc, **_COMMON, "brier": _mean_of("brier")},
    "multiclass": _COMMON,
    "regression": {"mae": _mean_of("mae"), "rmse": _rmse, "r2": _r2},
}
"""The realised metrics of each task, named as training names them."""
