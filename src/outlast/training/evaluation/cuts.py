"""A column in parts that can be said in a few words: its values, or ranges of equal numbers of rows."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int64]
_RANGES = 5
_FEW = 12
"""So many different whole numbers are values, more are an amount."""
_VALUES = 1000


@dataclass(frozen=True, eq=False)
class Cut:
    """The part that each row falls into (-1: none), and what the parts are called."""

    columns: tuple[str, ...]
    codes: Codes
    says: list[str]


def cut(values: pl.Series) -> Cut:
    """A column in parts; rows without a value are a part of their own."""
    if values.dtype.is_numeric() and (not values.dtype.is_integer() or values.n_unique() > _FEW + 1):
        return _ranges(values.cast(pl.Float64).fill_nan(None))
    return _categories(values)


def crossed(one: Cut, other: Cut) -> Cut:
    """Parts of two columns at once."""
    both = np.where((one.codes < 0) | (other.codes < 0), -1, one.codes * len(other.says) + other.codes)
    says = [f"{first} and {second}" for first in one.says for second in other.says]
    return Cut((*one.columns, *other.columns), both, says)


def _categories(values: pl.Series) -> Cut:
    name, texts = values.name, values.cast(pl.String)
    counted = texts.drop_nulls().value_counts(name="__rows").sort("__rows", values.name, descending=[True, False])
    known = counted[name].head(_VALUES).to_list()
    places = {value: place for place, value in enumerate(known)}
    codes = texts.replace_strict(places, default=-1, return_dtype=pl.Int64) if known else pl.Series([-1] * len(texts))
    return _with_missing(name, codes.to_numpy().astype(np.int64), [f"{name} = {value}" for value in known], values)


def _ranges(values: pl.Series) -> Cut:
    name, there = values.name, values.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(there, np.linspace(0, 1, _RANGES + 1)[1:-1])) if len(there) else np.array([])
    edges = np.unique([float(f"{edge:.3g}") for edge in edges])
    found = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), side="right").astype(np.int64)
    codes = np.where(values.is_null().to_numpy(), -1, found)
    return _with_missing(name, codes, _names(name, edges), values)


def _names(name: str, edges: npt.NDArray[np.float64]) -> list[str]:
    said = [f"{edge:g}" for edge in edges]
    if not said:
        return [f"{name} has a value"]
    between = [f"{low} ≤ {name} < {high}" for low, high in pairwise(said)]
    return [f"{name} < {said[0]}", *between, f"{name} ≥ {said[-1]}"]


def _with_missing(name: str, codes: Codes, says: list[str], values: pl.Series) -> Cut:
    empty: Any = values.is_null().to_numpy()
    if not empty.any():
        return Cut((name,), codes, says)
    return Cut((name,), np.where(empty, len(says), codes), [*says, f"{name} is missing"])
