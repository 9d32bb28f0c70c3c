"""What features lacked when they were served: the share of a version's answers of the last days without a value."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from outlast.journal.reading import predictions
from outlast.project.workspace import Workspace

LATELY = timedelta(days=7)
MOST = 100_000
"""Answers that are looked at; of more, as many are chosen by their ids."""
_NAN = '{"$float":"nan"}'


def missing_lately(
    workspace: Workspace, model: str, version: int, columns: Sequence[str], *, now: datetime
) -> tuple[int, dict[str, int]]:
    """How many answers of the last seven days had features, and in how many of them each column was missing.

    Answers of a lower rung looked nothing up and do not count.
    """
    served = predictions(workspace, model, now - LATELY, now, clock="at").filter(
        pl.col("version") == version, pl.col("rung") == "full", pl.col("features").is_not_null()
    )
    rows = served.select(pl.len()).collect(engine="streaming").item()
    if rows > MOST:
        served = served.filter(pl.col("prediction_id").hash(0) % -(-rows // MOST) == 0)
    gaps = [_gap(name).sum().alias(str(place)) for place, name in enumerate(columns)]
    found = served.select(pl.len().alias("rows"), *gaps).collect(engine="streaming").row(0, named=True)
    return found["rows"], {name: found[str(place)] for place, name in enumerate(columns)}


def _gap(name: str) -> pl.Expr:
    """Whether a column has no value, or NaN, in the features of a row as the journal spells them."""
    quote = '"' if "'" in name else "'"
    value = pl.col("features").str.json_path_match(f"$[{quote}{name}{quote}]")
    return value.is_null() | (value == _NAN)
