"""Intervals that cover what they say: widened, or narrowed, by how far earlier estimates turned out to be off."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outlast.data.past import Past
from outlast.monitoring.estimating.curves import Curve, curve_of
from outlast.monitoring.estimating.live import Matured

Floats = npt.NDArray[np.float64]

COVERED = 0.90
Z = 1.645
"""Standard errors to either side that hold 90 of 100."""
_KEPT = 200
_STEP = 0.02
"""How far one window moves the level that is aimed at."""
_LEAST, _MOST = 0.5, 5.0
_ENOUGH = 10


@dataclass(frozen=True)
class Widening:
    """How far off earlier windows were, in half widths, the newest last, and the share that may now be missed."""

    scores: tuple[float, ...] = ()
    missed: float = 1 - COVERED

    @property
    def factor(self) -> float:
        """By what a half width is multiplied."""
        if len(self.scores) < _ENOUGH:
            return max(1.0, *self.scores, 1.0)
        rank = min(1.0, (1 - self.missed) * (len(self.scores) + 1) / len(self.scores))
        return float(np.clip(np.quantile(self.scores, max(0.0, rank), method="higher"), _LEAST, _MOST))

    def seen(self, away: float, half_width: float) -> "Widening":
        """After another window has matured: how far the estimate was off, and its half width before it was widened."""
        score = abs(away) / half_width if half_width > 0 else 0.0 if away == 0 else _MOST
        out = score > self.factor
        missed = float(np.clip(self.missed + _STEP * ((1 - COVERED) - out), 0.01, 0.5))
        return Widening((*self.scores, min(score, 2 * _MOST))[-_KEPT:], missed)


@dataclass(frozen=True, eq=False)
class Residuals:
    """The reference's own windows: how far the mean loss was from what was expected, and the variance by chance."""

    away: Floats
    chance: Floats
    rows: Floats

    @property
    def drift(self) -> float:
        """The variance of what is left beyond chance: how much a window's labels wander, scores being the same."""
        if len(self.away) < 3:
            return 0.0
        return max(0.0, float((self.away**2 - self.chance).mean()))


def residuals(past: Past, curve: Curve | None, by_score: Floats, *, hours: int = 24) -> Residuals:
    """The residuals of the reference's windows of so many hours; `by_score` is what each score cell is expected to
    lose. Of outcomes, chance is binomial; of amounts, it is the loss's own variance."""
    blocks = past.blocks
    window = (blocks.starts - blocks.starts.min(initial=0)) // (hours * 3_600_000_000)
    count = int(window.max(initial=-1)) + 1
    scores = _by(window, blocks.scores, count)
    rows, mills = scores.sum(axis=1), _by(window, blocks.mills[:, None], count)[:, 0]
    enough = rows >= max(50.0, 0.2 * float(np.median(rows[rows > 0]))) if (rows > 0).any() else rows > 0
    rows, mills, scores = rows[enough], mills[enough], scores[enough]
    away = mills / rows / 1000 - scores @ by_score / rows
    if curve is not None:
        variance = scores @ (curve.chance * (1 - curve.chance) * curve.stake**2) / rows
    else:
        variance = np.full(len(rows), loss_variance(past))
    return Residuals(away, variance / rows, rows)


def rehearsed(past: Past, *, hours: int = 24) -> Widening:
    """The widening that the reference's own windows ask for, before any window has matured live."""
    curve = curve_of(past, Matured.none())
    found = residuals(past, curve, curve.expected, hours=hours)
    half = Z * np.sqrt(found.chance + found.drift)
    widening = Widening()
    return Widening(tuple((np.abs(found.away) / half).tolist())[-_KEPT:]) if len(found.away) >= _ENOUGH else widening


def loss_variance(past: Past) -> float:
    """The variance of the loss of one row."""
    rows = max(1, int(past.blocks.rows.sum()))
    mean = past.blocks.mills.sum() / rows
    return float(past.blocks.squares.sum() / rows - mean**2) / 1e6


def _by(window: npt.NDArray[np.int64], values: npt.NDArray[np.int64], count: int) -> Floats:
    found = np.zeros((count, values.shape[1]))
    np.add.at(found, window, values.astype(np.float64))
    return found
