"""Whether a compiled model answers as the fitted one: on rows it was tested on, and on the same rows spoilt."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from outlast.bundle.compiled import Compiled
from outlast.bundle.estimator import Floats
from outlast.errors import OutlastError
from outlast.features.steady import steady
from outlast.training.compiling.refusal import NotCompiled

ROWS, SINGLE, SPOILT = 2_000, 100, 100
NEVER_SEEN = "a word that no training saw"
Native = Callable[[pl.DataFrame], Floats]
Decide = Callable[[Floats, pl.DataFrame], list[Any]]
"""From scores and the rows they are of to the decisions; of a regression there are none."""


@dataclass(frozen=True)
class Proof:
    """How many rows were compared, how many were equal to the last bit, and the greatest difference."""

    rows: int
    equal: int
    difference: float

    @property
    def sentence(self) -> str:
        if self.equal == self.rows:
            return f"answers as the fitted model does, to the last bit, on {self.rows:,} rows"
        return (
            f"differs from the fitted model by at most {self.difference:.0e} on {self.rows:,} rows, no decision by it"
        )


def prove(
    compiled: Compiled, native: Native, rows: pl.DataFrame, *, decide: Decide, tolerance: float, seed: int
) -> Proof:
    """Compare both on rows of the test, at once and one by one, and on spoilt ones; NotCompiled where they differ."""
    random = np.random.default_rng(seed)
    chosen = rows if rows.height <= ROWS else rows[np.sort(random.choice(rows.height, ROWS, replace=False))]
    expected, found = native(chosen), _refusing(compiled, chosen)
    _same_alone(compiled, chosen.head(SINGLE), found)
    _within(expected, found, tolerance)
    decisions = zip(decide(expected, chosen), decide(found, chosen), strict=True)
    differs = next((index for index, (theirs, ours) in enumerate(decisions) if theirs != ours), None)
    if differs is not None:
        raise NotCompiled(f"its decision differs where the chances are {expected[differs].tolist()}")
    _spoilt_agree(compiled, native, spoil(chosen, random), tolerance)
    equal = int((expected == found).all(axis=1).sum())
    return Proof(chosen.height, equal, float(np.abs(expected - found).max(initial=0.0)))


def spoil(rows: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Rows with one or a few values missing, never seen, far away, or from another row."""
    places = random.integers(0, rows.height, SPOILT)
    spoilt = rows[places]
    for name, dtype in rows.schema.items():
        hit = pl.Series(random.random(SPOILT) < 2 / max(rows.width, 4))
        values = rows[name][random.integers(0, rows.height, SPOILT)].to_list()
        for index in np.flatnonzero(random.random(SPOILT) < 0.5):
            values[index] = _strange(dtype, int(index))
        other = pl.Series(values, dtype=dtype, strict=False)
        spoilt = spoilt.with_columns(pl.when(hit).then(other).otherwise(pl.col(name)).alias(name))
    return spoilt


def _strange(dtype: pl.DataType, index: int) -> Any:
    if dtype == pl.String:
        return [None, NEVER_SEEN, ""][index % 3]
    if dtype.is_float():
        return [None, 0.0, -1e6, 1e9][index % 4]
    return [None, 0, 1, 100][index % 4] if dtype.is_integer() else None


def _refusing(compiled: Compiled, rows: pl.DataFrame) -> Floats:
    try:
        return compiled.table(rows)
    except OutlastError as error:
        raise NotCompiled(f"it does not answer where the fitted model does: {error}") from error


def _same_alone(compiled: Compiled, rows: pl.DataFrame, table: Floats) -> None:
    alone = [compiled.row(values) for values in rows.rows()]
    if alone != table[: rows.height].tolist():
        raise NotCompiled("it answers a row alone otherwise than among others")


def _within(expected: Floats, found: Floats, tolerance: float) -> None:
    if expected.shape != found.shape:
        raise NotCompiled(f"it gives {found.shape[1]} scores a row where the fitted model gives {expected.shape[1]}")
    apart = np.abs(expected - found) / np.maximum(1.0, np.abs(expected))
    if not (apart <= tolerance).all():
        raise NotCompiled(f"its answers differ by up to {apart.max():.1g}, more than {tolerance:g}")


def _spoilt_agree(compiled: Compiled, native: Native, rows: pl.DataFrame, tolerance: float) -> None:
    """What one refuses the other refuses, and where both answer they answer alike."""
    for index in range(rows.height):
        row = rows[index]
        expected, found = _tried(partial(native, steady(row))), _tried(partial(compiled.table, row))
        if (expected is None) != (found is None):
            who = "the fitted model refuses and the compiled one does not" if expected is None else (
                "the compiled model refuses and the fitted one does not")  # fmt: skip
            raise NotCompiled(f"there are rows, with a value missing or never seen, that {who}")
        if expected is not None and found is not None:
            _within(expected[:1], found, tolerance)


def _tried(score: Callable[[], Floats]) -> Floats | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # spoilt on purpose: what is odd about these rows is not news
            return score()
    except Exception:  # noqa: BLE001 - a fitted model may refuse a row with any error; that it does is what counts
        return None
