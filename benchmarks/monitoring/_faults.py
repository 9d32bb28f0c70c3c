"""A shop whose truth is known: sources, a model fitted on its past and frozen, and faults that can be put in.

What the model sees and what is true are two frames: a fault of data changes only the first, a change of the world both,
and a change of what follows from equal rows only the outcomes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from outlast.data import profile as profiles
from outlast.data.past import HOUR, LossScale, Past, Reference, past_of
from outlast.data.past.loss import fitted
from outlast.monitoring.causes import Case
from outlast.monitoring.estimating import Live
from outlast.training.watching.harm import harm_tree, looked_at, worst_pairs

SOURCES = {
    **dict.fromkeys(("temp", "wind", "visib"), "weather"),
    **dict.fromkeys(("late_1d", "late_3d", "parcels"), "deliveries"),
    **dict.fromkeys(("amount", "hour", "shop", "channel", "basket"), "orders"),
}
SHOPS, CHANNELS = ("north", "south", "east", "west", "port", "hill"), ("web", "phone", "desk")
PAYOFF: dict[str, dict[str, float | str]] = {"call": {"yes": 10.0, "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}
EDGE = 4 / 14
TRAINED, HELD_OUT = 20_000, 24_000
Change = Callable[[np.random.Generator, pl.DataFrame], pl.DataFrame]
Tilt = Callable[[pl.DataFrame], np.ndarray]


def drawn(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    """Rows of an unchanged world."""
    late = rng.beta(2, 6, rows)
    return pl.DataFrame({
        "temp": rng.normal(55, 18, rows),
        "wind": rng.gamma(3, 4, rows),
        "visib": 10 * rng.beta(6, 1.2, rows),
        "late_1d": np.clip(late + rng.normal(0, 0.05, rows), 0, 1),
        "late_3d": np.clip(late + rng.normal(0, 0.03, rows), 0, 1),
        "parcels": rng.poisson(40, rows).astype(float),
        "amount": rng.lognormal(3, 0.8, rows),
        "hour": rng.integers(0, 24, rows).astype(float),
        "shop": rng.choice(SHOPS, rows, p=[0.3, 0.25, 0.2, 0.12, 0.08, 0.05]),
        "channel": rng.choice(CHANNELS, rows, p=[0.6, 0.25, 0.15]),
        "basket": rng.poisson(3, rows).astype(float),
    })  # fmt: skip


def log_odds(x: pl.DataFrame) -> np.ndarray:
    """The truth: cold, wind, what was late, dear orders by phone; a basket and a parcel more say nothing."""
    temp, wind, visib, late, amount = (x[name].to_numpy() for name in ("temp", "wind", "visib", "late_3d", "amount"))
    port = (x["shop"] == "port").to_numpy()
    phone = (x["channel"] == "phone").to_numpy()
    cold = np.clip((45 - temp) / 15, 0, 3)
    found = -4.4 + 0.9 * cold + 0.07 * wind + 0.05 * wind * port + 5 * late + 0.25 * np.log(amount) * phone
    return np.asarray(found + 0.12 * (8 - visib), float)


@dataclass(frozen=True)
class Fault:
    """What was put in: its true name, how the rows change in the world and on their way, and how outcomes do."""

    kind: str
    name: str
    world: Change | None = None
    served: Change | None = None
    tilt: Tilt | None = None


class Shop:
    """The frozen model, its past, and rows under a fault."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    @cached_property
    def model(self):
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        rng = np.random.default_rng(self._seed)
        x = drawn(rng, TRAINED)
        trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)
        with threadpool_limits(1):  # a few thousand rows: more threads only wait for one another
            return trees.fit(_numbers(x), _outcomes(rng, x))

    @cached_property
    def past(self) -> Past:
        rng = np.random.default_rng(self._seed + 1)
        x = drawn(rng, HELD_OUT)
        y, scores = _outcomes(rng, x), self.scores(x)
        self.profile = profiles.build(x, scores, threshold=EDGE)
        scale = LossScale("payoff", ["no", "yes"], PAYOFF)
        self.scale = fitted(scale, [], [], lambda name: np.zeros(0))
        at = np.arange(HELD_OUT) * (35 * 24 * HOUR // HELD_OUT)
        reference = self.graded(x, scores, y, at)
        places = looked_at(HELD_OUT, 0)
        cells, mills = reference.cells[places], reference.mills[places]
        learnt = self.scale, harm_tree(cells, mills), worst_pairs(cells, mills)
        return past_of(tuple(x.columns), reference, learnt, every=lambda: (at, reference.cells), seed=0)

    def scores(self, x: pl.DataFrame) -> np.ndarray:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return self.model.predict_proba(_numbers(x))[:, 1]

    def graded(self, x: pl.DataFrame, scores: np.ndarray, y: np.ndarray, at: np.ndarray) -> Reference:
        decided = np.where(scores > EDGE, "call", "wait").tolist()
        mills = self.scale.mills(decided, np.where(y > 0, "yes", "no").tolist())
        cells, placed = profiles.cells(self.profile, x), profiles.score_cells(self.profile, scores)
        return Reference(at, cells, placed, scores, y.astype(float), (scores > 0.5).astype(np.int64), y, mills)

    def rows(self, rows: int, seed: int, *faults: Fault) -> Reference:
        """Rows that were answered under some faults, with what turned out."""
        self.past  # noqa: B018 (makes profile and scale)
        rng = np.random.default_rng(50_000 + seed)
        x = drawn(rng, rows)
        for fault in faults:
            x = fault.world(rng, x) if fault.world else x
        tilt = sum((fault.tilt(x) for fault in faults if fault.tilt), np.zeros(rows))
        y = _outcomes(rng, x, tilt)
        for fault in faults:
            x = fault.served(rng, x) if fault.served else x
        return self.graded(x, self.scores(x), y, np.arange(rows))

    def case(self, rows: Reference, **more: object) -> Case:
        """The counts that the watch would have of these rows."""
        past, profile = self.past, self.profile
        leaves = past.tree.leaves(rows.cells)
        cells = np.stack([np.bincount(column, minlength=20) for column in rows.cells.T]).astype(np.int64)
        table, found = np.zeros((32, 20, 2), np.int64), np.zeros((*cells.shape, 2), np.int64)
        both = np.stack([np.ones_like(rows.mills), rows.mills], axis=1)
        np.add.at(table, (leaves, rows.score_cells), both)
        for place, column in enumerate(rows.cells.T):
            np.add.at(found[place], column, both)
        hits = past.pairs.hits(rows.cells)
        pairs = np.stack([hits.sum(axis=0), rows.mills @ hits], axis=1).astype(np.int64)
        given = {"sources": SOURCES, "rows_per_day": 2000.0, "currency": "USD", **more}
        return Case(profile, past, Live(cells, table[..., 0]), table, found, pairs, **given)


def _outcomes(rng: np.random.Generator, x: pl.DataFrame, tilt: np.ndarray | float = 0.0) -> np.ndarray:
    return (rng.random(x.height) < 1 / (1 + np.exp(-log_odds(x) - tilt))).astype(np.int64)


def _numbers(x: pl.DataFrame) -> np.ndarray:
    codes = [
        pl.col(name).replace_strict(words, list(range(len(words))), default=None, return_dtype=pl.Float64)
        for name, words in (("shop", list(SHOPS)), ("channel", list(CHANNELS)))
    ]
    return x.with_columns(codes).to_numpy()


def nulls(columns: list[str], share: float) -> Change:
    def change(rng: np.random.Generator, x: pl.DataFrame) -> pl.DataFrame:
        gone = pl.Series(rng.random(x.height) < share)
        return x.with_columns(pl.when(~gone).then(pl.col(name)).alias(name) for name in columns)

    return change


def to_unit(column: str, scale: float, offset: float = 0.0) -> Change:
    return lambda rng, x: x.with_columns(pl.col(column) * scale + offset)


def stuck(column: str, value: float) -> Change:
    return lambda rng, x: x.with_columns(pl.lit(value).alias(column))


def strange_words(column: str, share: float) -> Change:
    def change(rng: np.random.Generator, x: pl.DataFrame) -> pl.DataFrame:
        odd = pl.Series(rng.random(x.height) < share)
        return x.with_columns(pl.when(odd).then(pl.lit("?")).otherwise(pl.col(column)).alias(column))

    return change


def moved(column: str, by: float) -> Change:
    return lambda rng, x: x.with_columns(pl.col(column) + by)


def more_often(column: str, word: str, share: float) -> Change:
    def change(rng: np.random.Generator, x: pl.DataFrame) -> pl.DataFrame:
        taken = pl.Series(rng.random(x.height) < share)
        return x.with_columns(pl.when(taken).then(pl.lit(word)).otherwise(pl.col(column)).alias(column))

    return change


def faults(rng: np.random.Generator) -> list[Fault]:
    """Fifty faults of eight kinds, each with its true name, drawn so that each can do harm."""
    of = {source: [name for name, one in SOURCES.items() if one == source] for source in set(SOURCES.values())}
    found = []
    for _ in range(5):
        found += [
            Fault("feed gone", "weather", served=nulls(of["weather"], rng.uniform(0.3, 1))),
            Fault("feed gone", "deliveries", served=nulls(of["deliveries"], rng.uniform(0.3, 1))),
            Fault("column null", "late_3d", served=nulls(["late_3d"], rng.uniform(0.5, 1))),
            Fault("column null", "temp", served=nulls(["temp"], rng.uniform(0.3, 1))),
        ]
    units = [("temp", 1 / 1.8, -32 / 1.8), ("temp", 1.0, rng.uniform(28, 40)), ("temp", 10.0, 0.0),
             ("late_3d", 0.01, 0.0), ("late_3d", 100.0, 0.0), ("wind", 0.44704, 0.0), ("wind", 3.6, 0.0)]  # fmt: skip
    found += [Fault("unit", name, served=to_unit(name, scale, offset)) for name, scale, offset in units]
    values = {"temp": rng.uniform(50, 70), "late_3d": rng.uniform(0.05, 0.2), "wind": rng.uniform(2, 8)}
    found += [Fault("stuck", name, served=stuck(name, value)) for name, value in values.items()]
    found += [Fault("strange words", "shop", served=strange_words("shop", rng.uniform(0.6, 1))) for _ in range(3)]
    found += [Fault("other rows", "temp", world=moved("temp", rng.uniform(-16, -6))) for _ in range(4)]
    found += [Fault("other rows", "late_3d", world=moved("late_3d", rng.uniform(0.05, 0.1))) for _ in range(2)]
    found += [Fault("other rows", "wind", world=moved("wind", rng.uniform(4, 8))) for _ in range(2)]
    found += [Fault("outcomes", "outcomes", tilt=_all(rng.uniform(0.7, 2))) for _ in range(4)]
    found += [Fault("outcomes of some", "outcomes", tilt=_some("shop", word, rng.uniform(1.2, 2.2)))
              for word in ("north", "south", "east")]  # fmt: skip
    found += [
        Fault("outcomes of some", "outcomes", tilt=_some("channel", "phone", rng.uniform(1, 2))) for _ in range(2)
    ]
    return found


DECOYS = (moved("basket", 1.0), moved("parcels", 5.0), more_often("shop", "west", 0.1), moved("hour", 1.0))
"""Columns that say nothing or next to it, and move at the same time."""


def decoy(place: int) -> Fault:
    return Fault("decoy", "", world=DECOYS[place % len(DECOYS)])


def _all(by: float) -> Tilt:
    return lambda x: np.full(x.height, by)


def _some(column: str, word: str, by: float) -> Tilt:
    return lambda x: by * (x[column] == word).to_numpy()
