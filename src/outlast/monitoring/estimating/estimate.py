"""The estimate: what the answers of a period will turn out to have lost, and how well they rank."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past
from outlast.monitoring.estimating.curves import ORDER, Curve, curve_of, table_of
from outlast.monitoring.estimating.figure import Figure
from outlast.monitoring.estimating.live import Live, Matured
from outlast.monitoring.estimating.ranking import DOUBTED, Ranked, auc_of
from outlast.monitoring.estimating.ratio import Ratio, off_support, ratio, weighted_means
from outlast.monitoring.estimating.widening import Widening, Z, loss_variance, rehearsed, residuals
from outlast.types import Task

Floats = npt.NDArray[np.float64]

ENOUGH = 50
"""Live rows below which nothing is estimated."""
EFFECTIVE = 500.0
"""Rows of the sample that have to stand for what is live."""
STRANGE = 0.3
"""The share of live rows unlike any of the reference above which nothing is estimated."""
_KAPPA = 0.5
"""What a row unlike any of the reference may lose more or less than is expected."""


@dataclass(frozen=True)
class Estimate:
    """What is expected of a period: the loss on the version's scale, and figures made from it.

    `figures` has `loss`; of yes and no also `roc_auc` and `rate`, the share of yes; of classes `accuracy`; `cost`, the
    money a decision loses against the best one, and `value`, what it is worth, where the contract names money.
    """

    figures: Mapping[str, Figure]
    reference: float
    """The loss of the reference."""
    half_width: float
    """Of the loss, before it was widened by how earlier estimates did."""
    rows: int
    effective: float
    off_support: float
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the half width is made of: labels, chance, drift, support and shift."""

    @property
    def loss(self) -> Figure:
        return self.figures["loss"]


@dataclass(frozen=True)
class NotEstimable:
    """Nothing is said, and why."""

    reason: str


def estimate(
    past: Past | None,
    task: Task,
    live: Live,
    matured: Matured | None = None,
    *,
    widening: Widening | None = None,
    hours: int = 24,
) -> Estimate | NotEstimable:
    """What a period of so many hours will turn out to have lost, as far as its scores and cells tell.

    It holds while an outcome depends on the row as it did in the reference, or in the labels that have matured: that
    the world has changed behind equal rows cannot be seen without labels.
    """
    if past is None:
        return NotEstimable("the version was made before versions kept their past: train it again")
    weights, reason = weighed(past, live)
    if weights is None:
        return NotEstimable(f"{reason}: label some of them")
    state = widening or rehearsed(past, hours=hours)
    given = _Given(past, live, matured or Matured.none(), weights, off_support(past, live), state.factor, hours)
    return _by_amount(given) if task == "regression" else _by_outcome(given, task)


def weighed(past: Past, live: Live) -> tuple[Ratio | None, str]:
    """How the kept rows stand for what is live; None, and why, where too few of the live rows are like them."""
    if live.rows < ENOUGH:
        return None, f"{live.rows} rows are too few, {ENOUGH} are needed"
    strange = off_support(past, live)
    if strange > STRANGE:
        return None, f"{strange:.0%} of the rows are unlike any row of the reference"
    weights = ratio(past, live)
    if weights.effective < EFFECTIVE:
        return None, (
            f"the {len(past.sample.at):,} kept rows of the reference count as {weights.effective:,.0f} for what is "
            f"asked now, and {EFFECTIVE:,.0f} are needed"
        )
    return weights, ""


@dataclass(frozen=True, eq=False)
class _Given:
    past: Past
    live: Live
    matured: Matured
    ratio: Ratio
    strange: float
    factor: float
    hours: int

    @property
    def shares(self) -> Floats:
        return np.asarray(self.live.scores / self.live.rows, np.float64)


def _by_outcome(given: _Given, task: Task) -> Estimate:
    """By the chance of each score cell, moved by how the weighted sample differs from the plain one."""
    past, live, q = given.past, given.live, given.shares
    curve = curve_of(past, given.matured)
    sample = past.sample
    missed = sample.sides - curve.chance[sample.score_cells]
    moved, effective, rows = weighted_means(sample, missed, given.ratio.weights)
    with np.errstate(divide="ignore"):
        noise = np.where(effective > 0, np.maximum(0.0, 1 / effective - 1 / np.maximum(rows, 1)), 0.0)
    clear = _clear(moved, curve.chance * (1 - curve.chance) * noise, q * curve.turns)
    chance = np.clip(curve.chance + clear * moved, 0.0, 1.0)
    noise, now = noise * clear**2, Curve(chance, curve.rows, curve.loss)
    labels = chance * (1 - chance) * (1 / np.maximum(curve.rows, 1.0) + noise)
    by_label = float((q**2 * labels * now.stake**2).sum())
    by_chance = float((q * chance * (1 - chance) * now.stake**2).sum()) / live.rows
    drift = residuals(past, curve, curve.expected, hours=given.hours).drift
    doubt = DOUBTED * abs(float(q @ now.expected) - float(q @ curve.expected))
    figures, half, parts = _figures(given, float(q @ now.expected), (by_label, by_chance, drift), doubt)
    ranked, deviation = (
        list(ORDER),
        _deviation(q, (labels, chance), live.rows, drift / max(1e-9, float(q @ now.stake)) ** 2),
    )
    if task == "binary":
        figures["rate"] = _scaled(given, float(q @ chance), deviation)
        cells = Ranked(q[ranked], chance[ranked], labels[ranked], curve.chance[ranked])
        figures["roc_auc"] = auc_of(sample, given.ratio.weights, cells, rows=live.rows, factor=given.factor)
        figures |= _value(given, figures["loss"], float(q @ chance))
    else:
        figures["accuracy"] = _scaled(given, float(q @ chance), deviation)
    return _told(given, figures, half, parts)


def _clear(moved: Floats, variance: Floats, weights: Floats) -> float:
    """The part of a correction that is not luck of the sample: as a whole, or cell by cell, whichever is clearer."""
    there = variance > 0
    if not there.any():
        return 0.0
    whole, luck = float(weights @ moved), float((weights**2 * variance).sum())
    by_cell = float((moved[there] ** 2 / variance[there]).sum())
    return max(0.0, 1 - luck / max(whole**2, 1e-18), 1 - int(there.sum()) / max(by_cell, 1e-18))


def _by_amount(given: _Given) -> Estimate:
    """By the loss of each leaf and score cell, moved by how the weighted sample differs from the plain one."""
    past, live = given.past, given.live
    table = table_of(past, given.matured)
    sample = past.sample
    leaves = past.tree.leaves(sample.cells)
    missed = sample.mills / 1000 - table[leaves, sample.score_cells]
    weights, rows = given.ratio.weights, len(sample.at)
    moved = float((weights * missed).mean() - missed.mean())
    expected = float((live.leaves * table).sum()) / live.rows + moved
    variance = max(float((weights * missed**2).mean()), loss_variance(past) / 4)
    known = past.rows + int(given.matured.outcomes.sum())
    by_label = variance * (1 / max(1, known) + max(0.0, 1 / given.ratio.effective - 1 / rows))
    by_score = past.totals.by_leaf.sum(axis=0)
    mean = by_score[:, 1] / np.maximum(1, by_score[:, 0]) / 1000
    drift = residuals(past, None, mean, hours=given.hours).drift
    figures, half, parts = _figures(
        given, max(0.0, expected), (by_label, variance / live.rows, drift), DOUBTED * abs(moved)
    )
    return _told(given, figures, half, parts)


def _figures(
    given: _Given, loss: float, variances: tuple[float, float, float], doubt: float
) -> tuple[dict[str, Figure], float, dict[str, float]]:
    """The loss with its interval, what a decision costs where there is money, and what the width is made of."""
    by_label, by_chance, drift = variances
    support = _KAPPA * given.strange
    half = Z * float(np.sqrt(sum(variances))) + support + doubt
    parts = {"labels": Z * by_label**0.5, "chance": Z * by_chance**0.5, "drift": Z * drift**0.5}
    parts |= {"support": support, "shift": doubt}
    figures = {"loss": _scaled(given, loss, half / Z)}
    money = given.past.scale.money
    if money is not None:
        found = figures["loss"]
        figures["cost"] = Figure(*(1000 * money * part for part in (found.value, found.low, found.high)))
    return figures, half, parts


def _value(given: _Given, loss: Figure, rate: float) -> dict[str, Figure]:
    """What a decision is worth: the best for each outcome, less what is lost."""
    scale = given.past.scale
    if scale.kind != "payoff":
        return {}
    best = {outcome: max(float(row[outcome]) for row in scale.payoff.values()) for outcome in scale.outcomes}
    top = (1 - rate) * best[scale.outcomes[0]] + rate * best[scale.outcomes[1]]
    return {"value": Figure(*(top - scale.span * part for part in (loss.value, loss.high, loss.low)))}


def _deviation(q: Floats, cells: tuple[Floats, Floats], rows: int, drift: float) -> float:
    """Of a share that is yes, or right."""
    labels, chance = cells
    spread = float((q**2 * labels).sum()) + float((q * chance * (1 - chance)).sum()) / rows
    return float(np.sqrt(spread + drift))


def _scaled(given: _Given, value: float, deviation: float) -> Figure:
    half = given.factor * Z * deviation
    return Figure(value, max(0.0, value - half), min(1.0, value + half))


def _told(given: _Given, figures: dict[str, Figure], half: float, parts: dict[str, float]) -> Estimate:
    blocks = given.past.blocks
    reference = float(blocks.mills.sum() / max(1, blocks.rows.sum())) / 1000
    return Estimate(figures, reference, half, given.live.rows, given.ratio.effective, given.strange, parts)
