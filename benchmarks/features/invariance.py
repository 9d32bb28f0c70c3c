"""Measures the proof that functions give a row what is that row's: on a million rows, in Polars and in pandas."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
from _report import conclude, spread, table, where

from outlast.errors import FeatureError
from outlast.features.calling import with_functions
from outlast.features.invariance import prove

ROWS, ROUNDS, BAR = 1_000_000, 5, 5.0
Function = Callable[..., Any]


def flights() -> pl.DataFrame:
    """What functions of the flights example see: six asks and thirteen lookups, one in ten missing."""
    draw = np.random.default_rng(7)
    start = int(datetime(2013, 1, 1, tzinfo=UTC).timestamp())
    asks = {
        "origin": draw.choice(["EWR", "JFK", "LGA"], ROWS),
        "dest": draw.choice([f"D{n}" for n in range(100)], ROWS),
        "carrier": draw.choice([f"C{n}" for n in range(16)], ROWS),
        "tailnum": draw.integers(0, 4_000, ROWS).astype(str),
        "distance": draw.integers(80, 5_000, ROWS),
        "scheduled_at": pl.Series((start + draw.integers(0, 365 * 86_400, ROWS)) * 1_000_000).cast(
            pl.Datetime("us", "UTC")
        ),
    }
    looked_up = {f"v{n}": draw.normal(10, 30, ROWS) for n in range(13)}
    gone = {name: pl.when(pl.Series(draw.random(ROWS) >= 0.1)).then(pl.col(name)) for name in looked_up}
    return pl.DataFrame({**asks, **looked_up}).with_columns(**gone)


def in_polars(rows: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("scheduled_at").dt.convert_time_zone("America/New_York")
    minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    return rows.select(minute=minute, weekday=local.dt.weekday(), far=pl.col("distance") > 2_000)


def text_in_polars(rows: pl.DataFrame) -> pl.DataFrame:
    route = pl.col("origin") + "-" + pl.col("dest")
    return rows.select(route=route, gap=pl.col("v0") - pl.col("v1"), known=pl.col("v2").is_not_null())


def in_pandas(rows: pd.DataFrame) -> pd.DataFrame:
    local = rows["scheduled_at"].dt.tz_convert("America/New_York")
    minute = local.dt.hour * 60 + local.dt.minute
    return pd.DataFrame({"minute": minute, "weekday": local.dt.day_of_week, "far": rows["distance"] > 2_000})


def text_in_pandas(rows: pd.DataFrame) -> pd.DataFrame:
    route = rows["origin"] + "-" + rows["dest"]
    return pd.DataFrame({"route": route, "gap": rows["v0"] - rows["v1"], "known": rows["v2"].notna()})


def by_others(rows: pl.DataFrame) -> pl.DataFrame:
    """One that is to be caught: a rank changes in its last places only."""
    return rows.select(place=pl.col("v0").rank())


def measured(given: pl.DataFrame, functions: list[Function]) -> tuple[float, list[float], int]:
    """Seconds for all rows at once, seconds of the proof in each round, and how many rows it tried."""
    begin = time.perf_counter()
    rows = with_functions(functions, given)
    whole, found, tried = time.perf_counter() - begin, [], 0
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        tried = prove(functions, given, rows)
        found.append(time.perf_counter() - begin)
    return whole, found, tried


def require_caught(given: pl.DataFrame) -> None:
    try:
        prove([by_others], given, with_functions([by_others], given))
    except FeatureError:
        return
    raise SystemExit("a rank over the frame was not caught: the proof is fast because it proves nothing")


def main() -> int:
    given = flights()
    require_caught(given)
    ways = {"Polars": [in_polars, text_in_polars], "pandas": [in_pandas, text_in_pandas]}
    found = {name: measured(given, functions) for name, functions in ways.items()}
    rows = [[f"two functions in {name}", f"{w:.2f}", spread(p), f"{n}"] for name, (w, p, n) in found.items()]
    said = table(["functions", "all rows at once, s", "the proof, s", "rows tried"], rows)
    return conclude(
        "invariance",
        found=f"{ROWS:,} rows of {given.width} columns; median (least–greatest) of {ROUNDS} proofs.\n\n{said}",
        bar=f"the proof under {BAR:.0f} s on {ROWS:,} rows",
        held=max(max(proofs) for _, proofs, _ in found.values()) < BAR,
        machine=where("polars", "pandas", "numpy"),
        page=Path(__file__).with_name("README.md"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
