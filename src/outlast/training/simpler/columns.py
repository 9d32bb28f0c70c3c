"""What can be known without a lookup: what is asked, and what functions give that read nothing looked up."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from outlast.errors import FeatureError
from outlast.features.calling import called
from outlast.features.functions import Function, name_of
from outlast.project.declare import Model
from outlast.training.dataset import Dataset

TRIED = 2_000
"""Rows on which a function is called without what was looked up."""


@dataclass(frozen=True)
class Alone:
    """Columns that need no lookup, the places of the functions that give some of them, and why others are left out."""

    features: tuple[str, ...]
    places: tuple[int, ...]
    functions: tuple[str, ...]
    left_out: dict[str, str]


def columns_alone(model: Model, dataset: Dataset) -> Alone:
    """Found by calling each function without the looked-up columns: it gives the same, or it is left out."""
    rows = dataset.rows[np.unique(np.linspace(0, dataset.rows.height - 1, TRIED).astype(int))]
    asked = rows.select(model.asks.names)
    features, places, left_out = [*model.asks.names], [], {}
    for place, function in enumerate(model.functions):
        new, why = _without(function, asked, rows)
        if new is None:
            left_out[name_of(function)] = why
        else:
            places.append(place)
            features += new.columns
    kept = tuple(name_of(model.functions[place]) for place in places)
    return Alone(tuple(features), tuple(places), kept, left_out)


def _without(function: Function, asked: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame | None, str]:
    try:
        new = called(function, asked)
    except FeatureError as error:
        return None, f"it cannot do without what is looked up: {error}"
    there = [name for name in new.columns if name in rows.columns]
    if there != new.columns or not new.equals(rows.select(there), null_equal=True):
        return None, "it gives other values without what is looked up"
    return new, ""
