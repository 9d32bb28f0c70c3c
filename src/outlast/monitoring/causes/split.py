"""The change of the loss, split exactly: other rows than before, other outcomes of equal rows, and rows never seen.

Cells are those of the harm tree's leaf and the score. With shares p before and q now, and the loss L of each cell:

    mix         sum of (q - p) (L before - mean before), over cells the reference knows
    concept     sum of q (L now - L before), over the same
    off-support sum of q (L now - mean before), over the others

The three add up to the change of the mean. The loss of a cell before is drawn towards that of its score cell where
rows are few, and all are then moved by one number so that their mean stays what it was.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KNOWN = 5
"""Rows of the reference from which a cell is known."""
_SHRUNK = 20.0


@dataclass(frozen=True, eq=False)
class Split:
    """A change of the mean loss in its parts, each with its standard error; tables are by leaf and score cell."""

    before: float
    now: float
    mix: float
    concept: float
    off_support: float
    errors: dict[str, float]
    shares: Floats
    """The share of the rows now."""
    by_mix: Floats
    by_concept: Floats
    by_off: Floats

    @property
    def change(self) -> float:
        return self.now - self.before

    @property
    def by_leaf(self) -> Floats:
        """What each leaf carries of the change."""
        return np.asarray((self.by_mix + self.by_concept + self.by_off).sum(axis=1), np.float64)


def split(before: Ints, now: Ints, *, effect: float = 1.0) -> Split:
    """Split the change from one table of rows and mills to another; `effect` rows now count as one."""
    rows, mills = before[..., 0].astype(np.float64), before[..., 1] / 1000
    live, lost = now[..., 0].astype(np.float64), now[..., 1] / 1000
    p, q = rows / rows.sum(), live / max(1.0, live.sum())
    mean, known = float(mills.sum() / rows.sum()), rows >= KNOWN
    usual = usual_loss(before)
    here = np.divide(lost, live, out=np.zeros_like(lost), where=live > 0)
    by_mix = np.where(known, (q - p) * (usual - mean), 0.0)
    by_concept = np.where(known, q * (here - usual), 0.0)
    by_off = np.where(known, 0.0, q * (here - mean) + p * (mean - usual))
    total = float(lost.sum() / max(1.0, live.sum())) if live.sum() else mean
    rest = total - mean - float(by_mix.sum() + by_concept.sum() + by_off.sum()) if live.sum() else 0.0
    errors = _errors((q, here, usual, known, mean), live.sum() / effect, rows.sum())
    concept = float(by_concept.sum()) + rest  # what rounding left
    return Split(mean, total, float(by_mix.sum()), concept, float(by_off.sum()), errors, q, by_mix, by_concept, by_off)


def usual_loss(before: Ints) -> Floats:
    """The loss of each cell by the reference, few rows drawn towards their score cell, with the reference's mean."""
    rows, mills = before[..., 0].astype(np.float64), before[..., 1] / 1000
    mean = mills.sum() / rows.sum()
    by_score = (mills.sum(axis=0) + _SHRUNK * mean) / (rows.sum(axis=0) + _SHRUNK)
    drawn = (mills + _SHRUNK * by_score) / (rows + _SHRUNK)
    return np.asarray(drawn + mean - (rows * drawn).sum() / rows.sum(), np.float64)


def _errors(
    cells: tuple[Floats, Floats, Floats, npt.NDArray[np.bool_], float], live: float, rows: float
) -> dict[str, float]:
    """By chance alone: of shares for the mix, of outcomes within cells for the concept."""
    q, here, usual, known, mean = cells
    share = float((q * known).sum())
    centre = float((q * usual * known).sum()) / share if share else mean
    mix = float((q * (usual - centre) ** 2 * known).sum())
    mixed = np.where(known, np.clip(usual, 0.0, 1.0), np.clip(here, 0.0, 1.0))
    within = mixed * (1 - mixed)
    parts = {
        "mix": mix,
        "concept": float((q * within * known).sum()),
        "off_support": float((q * within * ~known).sum()),
    }
    both = 1 / max(1.0, live) + 1 / max(1.0, rows)
    errors = {name: float(np.sqrt(variance * both)) for name, variance in parts.items()}
    return {**errors, "change": float(np.sqrt(sum(error**2 for error in errors.values())))}
