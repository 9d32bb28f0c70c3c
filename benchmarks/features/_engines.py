"""One engine answers one question in this process: `_engines.py ENGINE QUESTION FOLDER ANSWER`, as JSON on one line.

Every engine reads the same Parquet files; reading counts, importing does not. Answers come in the decisions' order.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

WIDTHS = {"1h": "1 HOUR", "1d": "1 DAY", "7d": "7 DAY"}
Answer = Callable[[Path], pl.DataFrame]


def outlast(kind: str) -> Answer:
    from outlast.features.compiled import compile_lookup
    from outlast.features.facts import instants
    from outlast.features.offline import look_up
    from outlast.project.declare import Lookup, Source, latest, window

    source = Source("facts", "facts.parquet", key="id", time="at")
    x = pl.col("x")

    def wide(schema: pl.Schema) -> Lookup:
        operations = ("mean", "sum", "count", "min", "max", "std")
        columns = [name for name in schema if name.startswith("v")]
        made = {name: getattr(pl.col(name), operations[i % len(operations)])() for i, name in enumerate(columns)}
        return window(source, by="who", over=["1h", "1d", "7d", "30d"], **made)

    def answer(folder: Path) -> pl.DataFrame:
        facts, asks = pl.scan_parquet(folder / "facts.parquet"), pl.read_parquet(folder / "asks.parquet")
        schema = facts.collect_schema()
        if kind == "latest":
            lookup = latest(source, "x", by="who")
        elif kind == "windows":
            lookup = window(source, by="who", over=list(WIDTHS), count=x.count(), sum=x.sum(), mean=x.mean())
        else:
            lookup = wide(schema)
        return look_up(compile_lookup(lookup, schema), facts, asks, asks.select(instants("t"))["t"])

    return answer


def polars(kind: str) -> Answer:
    def latest(folder: Path) -> pl.DataFrame:
        facts, asks = pl.read_parquet(folder / "facts.parquet"), pl.read_parquet(folder / "asks.parquet")
        facts = facts.with_columns(pl.col("at").set_sorted())  # they are: the log is in order of time
        return asks.join_asof(
            facts.select("who", "at", "x"), left_on="t", right_on="at", by="who", strategy="backward",
            allow_exact_matches=False, check_sortedness=False,
        ).select("x")  # fmt: skip

    def windows(folder: Path) -> pl.DataFrame:
        facts, asks = pl.read_parquet(folder / "facts.parquet"), pl.read_parquet(folder / "asks.parquet")
        both = pl.concat(
            [
                facts.select("who", t="at", x="x", ask=pl.lit(None, pl.Int64)),
                asks.select("who", "t", x=pl.lit(None, pl.Float64), ask="ask"),
            ]
        ).sort("who", "t")
        one = pl.col("x").is_not_null().cast(pl.Int64)
        rolled = []
        for width in WIDTHS:
            how = {"by": "t", "window_size": width, "closed": "left"}
            rolled += [
                one.rolling_sum_by(**how).over("who").alias(f"count_{width}"),
                pl.col("x").rolling_sum_by(**how).over("who").alias(f"sum_{width}"),
                pl.col("x").rolling_mean_by(**how).over("who").alias(f"mean_{width}"),
            ]
        return both.with_columns(rolled).filter(pl.col("ask").is_not_null()).sort("ask").drop("who", "t", "x", "ask")

    return latest if kind == "latest" else windows


def duckdb(kind: str) -> Answer:
    import duckdb as engine

    def latest(folder: Path) -> pl.DataFrame:
        return engine.sql(
            f"SELECT f.x FROM '{folder}/asks.parquet' a ASOF LEFT JOIN '{folder}/facts.parquet' f "
            'ON a.who = f.who AND a.t > f."at" ORDER BY a.ask'
        ).pl()

    def windows(folder: Path) -> pl.DataFrame:
        frames, columns = [], []
        for name, width in WIDTHS.items():
            frames.append(
                f"w{name} AS (PARTITION BY who ORDER BY t RANGE BETWEEN INTERVAL {width} PRECEDING "
                "AND INTERVAL 1 MICROSECOND PRECEDING)"
            )
            columns += [f"{do}(x) OVER w{name} AS {as_}_{name}" for do, as_ in DUCK.items()]
        return engine.sql(
            f"SELECT * EXCLUDE (ask, who, t, x) FROM (SELECT ask, who, t, x, {', '.join(columns)} FROM ("
            f"SELECT NULL AS ask, who, \"at\" AS t, x FROM '{folder}/facts.parquet' UNION ALL "
            f"SELECT ask, who, t, NULL AS x FROM '{folder}/asks.parquet') WINDOW {', '.join(frames)}"
            ") WHERE ask IS NOT NULL ORDER BY ask"
        ).pl()

    return latest if kind == "latest" else windows


DUCK = {"count": "count", "sum": "sum", "avg": "mean"}


def pandas(kind: str) -> Answer:
    import pandas as engine

    def latest(folder: Path) -> pl.DataFrame:
        facts, asks = engine.read_parquet(folder / "facts.parquet"), engine.read_parquet(folder / "asks.parquet")
        found = engine.merge_asof(
            asks, facts[["who", "at", "x"]], left_on="t", right_on="at", by="who", allow_exact_matches=False
        )
        return pl.DataFrame({"x": pl.Series(found["x"].to_numpy()).fill_nan(None)})

    return latest


ENGINES = {"outlast": outlast, "polars": polars, "duckdb": duckdb, "pandas": pandas}


def main() -> None:
    engine, question, folder, answer = sys.argv[1:]
    ask = ENGINES[engine](question)
    started = time.perf_counter()
    found = ask(Path(folder))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if answer != "-":
        found.write_parquet(answer)
    print(json.dumps({"seconds": seconds, "mib": peak}))


if __name__ == "__main__":
    main()
