"""Which words of declared slices a version watches by themselves, and what they lost in its reference."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.data.past.declared import MOST, Word
from outlast.data.profile import OTHER, build
from outlast.training.watching import declared as module
from outlast.training.watching.declared import declared
from tests.training.watching.test_kept import profile, run

ROWS = pl.DataFrame(
    {
        "desk": ["north"] * 120 + ["south"] * 60 + ["east"] * 20,
        "paid": [True] * 150 + [None] * 50,
        "origin": ["JFK"] * 200,
        "wind": [float(place) for place in range(200)],
    }
)
PROFILE = build(ROWS.select("origin", "wind"))


def test_words_that_no_bin_stands_for_are_kept_with_their_rows_and_losses() -> None:
    found = declared(["wind", "paid", "desk", "origin", "desk", "gone"], ROWS, np.full(200, 3), PROFILE)
    assert found.words == [
        Word("paid", "true", 150, 450), Word("desk", "north", 120, 360), Word("desk", "south", 60, 180),
    ]  # fmt: skip
    assert found.columns == ["paid", "desk"]
    assert found.places("desk") == {"north": 1, "south": 2}
    assert found.totals.tolist() == [[150, 450], [120, 360], [60, 180]]


def test_the_most_frequent_words_are_kept_of_a_column_of_many() -> None:
    many = pl.DataFrame({"shop": [f"s{place}" for place in range(MOST + 20) for _ in range(50 + (place < 9))]})
    found = declared(["shop"], many, np.zeros(many.height, np.int64), build(pl.DataFrame()))
    assert len(found.words) == MOST
    assert {one.word for one in found.words} > {f"s{place}" for place in range(9)}


def test_a_run_keeps_the_words_that_have_no_cell(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEWEST", 5)
    for name in ("orders", "deliveries"):
        rows = pl.read_csv(orders / "data" / f"{name}.csv")
        rows.with_columns(shop=pl.col("shop") + (pl.col("order_id") % 7).cast(pl.String)).write_csv(
            orders / "data" / f"{name}.csv"
        )
    with (orders / "outlast.toml").open("a") as file:
        file.write('\n[monitoring]\nslices = ["shop", "weight"]\n')
    _, bundle, past = run(orders)
    shops = next(one for one in profile(bundle).features if one.name == "shop").categories
    assert {one.column for one in past.declared.words} == {"shop"}
    assert {one.word for one in past.declared.words} <= set(shops[OTHER:])
    cell = past.totals.by_cell[past.features.index("shop"), OTHER]
    assert (past.declared.totals.sum(axis=0) <= cell).all()
    assert past.declared.totals[:, 0].min() >= 5
