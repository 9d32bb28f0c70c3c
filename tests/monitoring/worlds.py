"""Worlds in which everything is known: features, the true chance of yes, a frozen model's scores, and the labels.

The model is as good as its features allow in the reference, so what changes later changes by the world alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.data import profile as profiles
from outlast.data.past import HOUR, LossScale, Past, Reference, past_of
from outlast.data.past.loss import fitted
from outlast.monitoring.estimating import Live, Matured
from outlast.training.watching.harm import harm_tree, looked_at, worst_pairs

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], dict[str, Floats]]
Chance = Callable[[dict[str, Floats]], Floats]
PAYOFF: dict[str, dict[str, float | str]] = {"act": {"yes": 10.0, "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}
EDGE = 4 / 14


def plain_rows(rng: np.random.Generator, rows: int) -> dict[str, Floats]:
    """Two features that matter, one that matters little, one that does not, and a few words."""
    return {
        "a": rng.normal(size=rows),
        "b": rng.normal(size=rows),
        "c": rng.exponential(size=rows),
        "noise": rng.normal(size=rows),
    }


def plain_chance(x: dict[str, Floats]) -> Floats:
    return np.asarray(1 / (1 + np.exp(1.2 - 1.3 * x["a"] - 0.9 * x["b"] * (x["a"] > 0) - 0.3 * x["c"])), np.float64)


def seen_by_model(x: dict[str, Floats]) -> Floats:
    """What the frozen model says: it knows the world of the reference, the interaction only in part."""
    return np.asarray(1 / (1 + np.exp(1.1 - 1.3 * x["a"] - 0.45 * x["b"] - 0.3 * x["c"])), np.float64)


def moved(feature: str, by: float) -> Draw:
    """The same rows with one feature moved."""

    def draw(rng: np.random.Generator, rows: int) -> dict[str, Floats]:
        found = plain_rows(rng, rows)
        return {**found, feature: found[feature] + by}

    return draw


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows as the journal would have them."""

    x: dict[str, Floats]
    scores: Floats
    truth: npt.NDArray[np.int64]
    reference: Reference
    leaves: npt.NDArray[np.int64]

    @property
    def loss(self) -> float:
        return float(self.reference.mills.mean()) / 1000

    def live(self) -> Live:
        shape = (self.reference.cells.shape[1], 20)
        cells = np.zeros(shape, np.int64)
        for place in range(shape[0]):
            cells[place] = np.bincount(self.reference.cells[:, place], minlength=20)
        leaves = np.zeros((32, 20), np.int64)
        np.add.at(leaves, (self.leaves, self.reference.score_cells), 1)
        return Live(cells, leaves)

    def matured(self) -> Matured:
        outcomes, mills = np.zeros((20, 2), np.int64), np.zeros((32, 20, 2), np.int64)
        np.add.at(outcomes, (self.reference.score_cells, self.reference.sides), 1)
        lost = np.stack([np.ones_like(self.reference.mills), self.reference.mills], axis=1)
        np.add.at(mills, (self.leaves, self.reference.score_cells), lost)
        return Matured(outcomes, mills)


@dataclass(frozen=True, eq=False)
class World:
    """A reference with its past, and rows drawn later."""

    seed: int = 0
    rows: int = 24_000
    draw: Draw = plain_rows
    chance: Chance = plain_chance
    model: Chance = seen_by_model
    task: str = "binary"
    kept: dict[str, object] = field(default_factory=dict)

    @property
    def profile(self) -> profiles.Profile:
        self.past  # noqa: B018 (makes it)
        return self.kept["profile"]  # type: ignore[return-value]

    @property
    def past(self) -> Past:
        if "past" not in self.kept:
            rng = np.random.default_rng(self.seed)
            x, scores, truth = self._drawn(rng, self.rows, self.draw, self.chance)
            profile = profiles.build(pl.DataFrame(x), scores, threshold=EDGE if self.task == "binary" else None)
            scale = LossScale("payoff", ["no", "yes"], PAYOFF) if self.task == "binary" else LossScale("squared")
            self.kept["profile"], self.kept["scale"] = profile, fitted(scale, scores, truth, lambda _: scores)
            at = np.arange(self.rows) * (35 * 24 * HOUR // self.rows)
            reference = self._reference(x, scores, truth, at)
            places = looked_at(self.rows, self.seed)
            cells, mills = reference.cells[places], reference.mills[places]
            learnt = self.kept["scale"], harm_tree(cells, mills), worst_pairs(cells, mills)
            every = lambda: (at, reference.cells)  # noqa: E731
            self.kept["past"] = past_of(tuple(x), reference, learnt, every=every, seed=self.seed)  # type: ignore[arg-type]
        return self.kept["past"]  # type: ignore[return-value]

    def later(self, rows: int, seed: int, *, draw: Draw | None = None, chance: Chance | None = None) -> Rows:
        """Rows drawn later, perhaps of another world."""
        past, rng = self.past, np.random.default_rng(10_000 + seed)
        x, scores, truth = self._drawn(rng, rows, draw or self.draw, chance or self.chance)
        reference = self._reference(x, scores, truth, np.arange(rows))
        return Rows(x, scores, truth, reference, past.tree.leaves(reference.cells))

    def _drawn(
        self, rng: np.random.Generator, rows: int, draw: Draw, chance: Chance
    ) -> tuple[dict[str, Floats], Floats, Floats]:
        x = draw(rng, rows)
        expected = chance(x)
        if self.task == "regression":
            return x, self.model(x), expected + rng.normal(0, 0.1 + 0.3 * (x["a"] > 1), rows)
        return x, self.model(x), (rng.random(rows) < expected).astype(np.float64)

    def _reference(self, x: dict[str, Floats], scores: Floats, truth: Floats, at: npt.NDArray[np.int64]) -> Reference:
        profile: profiles.Profile = self.kept["profile"]  # type: ignore[assignment]
        scale: LossScale = self.kept["scale"]  # type: ignore[assignment]
        cells, placed = profiles.cells(profile, pl.DataFrame(x)), profiles.score_cells(profile, scores)
        answers = (scores > 0.5).astype(np.int64)
        if self.task == "regression":
            mills, sides = scale.mills(scores, truth), (truth >= scores).astype(np.int64)
        else:
            decided = np.where(scores > EDGE, "act", "wait").tolist()
            mills = scale.mills(decided, np.where(truth > 0, "yes", "no").tolist())
            sides = truth.astype(np.int64)
        return Reference(at, cells, placed, scores, truth, answers, sides, mills)
