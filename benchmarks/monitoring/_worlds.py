"""Made-up worlds: features and outcomes whose truth is known, as shares of cells or as rows."""

import math

import numpy as np

from outlast.data.profile import ABOVE, BELOW, CELLS, MISSING, UNSEEN
from outlast.monitoring.detecting.tables import HOUR, Table

YEAR = 8760
EDGES = 15


def normal_cdf(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.vectorize(math.erf)(np.asarray(x, float) / math.sqrt(2)))


def quantiles(count: int = 16) -> np.ndarray:
    """The inner edges of equally likely bins of a standard normal."""
    grid = np.linspace(-5, 5, 20_001)
    return np.interp(np.arange(1, count) / count, normal_cdf(grid), grid)


INNER = quantiles()
OUTER = (-4.0, 4.0)


def number_shares(shift: float = 0.0, scale: float = 1.0, missing: float = 0.0) -> np.ndarray:
    """Cells of a normal number against the bins of a standard normal reference."""
    edges = np.array([OUTER[0], *INNER, OUTER[1]])
    inside = normal_cdf((edges - shift) / scale)
    shares = np.zeros(CELLS)
    shares[:16] = np.diff(inside)
    shares[BELOW], shares[ABOVE] = inside[0], 1 - inside[-1]
    shares *= 1 - missing
    shares[MISSING] = missing
    return shares


def category_shares(words: int, missing: float = 0.0, unseen: float = 0.0) -> np.ndarray:
    """Cells of a category whose words follow Zipf."""
    shares = np.zeros(CELLS)
    shares[:words] = 1 / np.arange(1, words + 1)
    shares[:words] *= (1 - missing - unseen) / shares[:words].sum()
    shares[MISSING], shares[UNSEEN] = missing, unseen
    return shares


def mixed(count: int = 100) -> tuple[np.ndarray, tuple[str, ...]]:
    """Half numbers, half categories of 2 to 16 words; a third of each with up to 3 % missing."""
    shares, kinds = [], []
    for place in range(count):
        missing = 0.0 if place % 3 else 0.01 * (place % 4)
        number = place % 2 == 0
        kinds.append("number" if number else "category")
        shares.append(number_shares(missing=missing) if number else category_shares(2 + place % 15, missing))
    return np.stack(shares), tuple(kinds)


def draw(rng: np.random.Generator, rows: int, shares: np.ndarray, copies: int) -> np.ndarray:
    """[copy, stream, cell]"""
    return rng.multinomial(rows, shares, size=(copies, len(shares)))


def reference(rng: np.random.Generator, rows: int, shares: np.ndarray, kinds: tuple[str, ...]) -> Table:
    """A reference that was drawn itself, so that its error is real."""
    return Table(names(len(shares)), rng.multinomial(rows, shares), kinds=kinds)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"f{place}" for place in range(count))


class Scored:
    """A calibrated binary model: score cells that are equally likely, and the share of yes in each."""

    def __init__(self) -> None:
        self.rate = np.zeros(CELLS)
        self.rate[:16] = 0.02 + 0.6 * (np.arange(16) / 15) ** 2
        self.shares = np.zeros(CELLS)
        self.shares[:16] = 1 / 16
        self.loss = np.minimum(self.rate, 1 - self.rate)
        """The chance of an error where the likelier outcome is answered."""

    def draw(self, rng: np.random.Generator, rows: int, copies: int) -> dict[str, np.ndarray]:
        """Scores, outcomes by score cell, and errors, by copy."""
        scores = rng.multinomial(rows, self.shares, size=copies)
        yes = rng.binomial(scores, self.rate)
        wrong = np.where(self.rate > 0.5, scores - yes, yes)
        return {
            "scores": scores[:, None],
            "calibration": np.stack([scores - yes, yes], axis=-1)[:, None],
            "loss": np.stack([scores.sum(axis=1), 1000 * wrong.sum(axis=1)], axis=-1)[:, None],
        }

    def tables(self, rng: np.random.Generator, rows: int) -> dict[str, Table]:
        drawn = {name: counts[0] for name, counts in self.draw(rng, rows, 1).items()}
        kinds = {"scores": ("number",)}
        return {name: Table((name,), counts, kinds=kinds.get(name, ())) for name, counts in drawn.items()}


def hours(count: int, first: int = 0) -> np.ndarray:
    return (first + np.arange(count, dtype=np.int64)) * HOUR


def everything(rng: np.random.Generator, features: Table, rows: int = 50_000) -> dict[str, Table]:
    """All that a model with labels has watched, so that each family has no more of the budget than it would have."""
    found = {"features": features, **Scored().tables(rng, rows)}
    for name, streams in (("estimated", 1), ("slices", 1000)):
        found[name] = Table(names(streams), np.array([[rows, 100 * rows]] * streams))
    found["volume"] = Table(("volume",), np.array([[4368 // 16] * 16 + [0] * 4]), kinds=("number",))
    for name, streams in (("leaves", 32), ("outcomes", 2)):
        found[name] = Table((name,), np.full((1, streams), rows // streams))
    return found
