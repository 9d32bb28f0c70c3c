"""A row's features have the same bits alone, in a batch, in pieces, and as the last row of a file."""

import numpy as np
import polars as pl

from outlast.features.compiled import compile_lookup
from outlast.features.facts import facts_of
from outlast.features.functions import apply
from outlast.project.declare import Source, window

ROWS = pl.DataFrame({"id": range(400), "who": "a", "x": np.random.default_rng(3).uniform(0, 100, 400)}).with_columns(
    at=pl.datetime(2024, 1, 1, time_zone="UTC") + pl.duration(minutes=pl.col("id"))
)
SPLIT = window(Source("s", "s.csv", key="id", time="at"), by="who", over="1h", y=(pl.col("x") / 60).mean())


def sixtieth(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(y=pl.col("x") / 60)


def test_polars_alone_would_not_keep_the_bits() -> None:
    """If this fails, Polars divides alike whatever the length, and `steady` can go."""
    whole = sixtieth(ROWS)["y"]
    assert any(sixtieth(ROWS[i : i + 1])["y"][0] != whole[i] for i in range(ROWS.height))


def test_a_function_gives_a_row_alone_the_bits_it_has_among_others() -> None:
    whole = apply(sixtieth, ROWS)["y"].to_list()
    assert [apply(sixtieth, ROWS[i : i + 1])["y"][0] for i in range(ROWS.height)] == whole


def test_a_fact_that_comes_alone_is_kept_as_in_the_history() -> None:
    compiled = compile_lookup(SPLIT, ROWS.schema)
    whole = facts_of(compiled, ROWS.lazy())
    alone = [facts_of(compiled, ROWS[i : i + 1].lazy()) for i in range(ROWS.height)]
    assert all(one.height == 1 for one in alone)
    assert pl.concat(alone).equals(whole)


def test_a_few_rows_are_computed_as_many_are() -> None:
    def several(rows: pl.DataFrame) -> pl.DataFrame:
        wide = rows.with_columns(half=pl.col("x") / 7, hour=pl.col("at").dt.hour())
        return wide.select(a=pl.col("half") * pl.col("hour"), b=pl.col("x").log1p(), c=pl.col("who").str.len_chars())

    whole = apply(several, ROWS)
    parts = [apply(several, ROWS[i : i + 50]) for i in range(0, ROWS.height, 50)]
    assert pl.concat(parts).equals(whole)
    assert all(type(part) is pl.DataFrame for part in parts)
