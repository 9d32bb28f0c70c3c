"""Digests of features: equal while the same is computed, another when something else is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outlast.features.digests import feature_digests
from outlast.project.declare import Model
from outlast.project.loader import Code, load_model

SOURCE = '''
import polars as pl
from outlast import Model, Source, latest, window

orders = Source("orders", "o.csv", key="id", time="at")
facts = Source("facts", "f.csv", key="id", time="at")
LIMIT = 5


def double(column):
    return column * 2


def made(rows: pl.DataFrame) -> pl.DataFrame:
    """What is made of it."""
    return rows.select(heavy=pl.col("weight") > LIMIT, twice=double(pl.col("weight")))


def hour(rows):
    return rows.select(hour=pl.col("at").dt.hour())


model = Model(
    "m",
    asks=orders["shop", "weight", "at"],
    features=[
        latest(facts, "stock", by="shop"),
        window(facts, by="shop", over=["1d", "3d"], sold=pl.col("n").sum()),
        made,
        hour,
    ],
    label=orders["late"],
    fit=lambda x, y, seed: None,
)
'''
ROWS = pl.DataFrame(
    {"shop": ["a"], "weight": [2.0], "at": [0], "stock": [1], "sold_1d": [1.0], "sold_3d": [2.0], "heavy": [False],
     "twice": [4.0], "hour": [1]}
).with_columns(pl.col("at").cast(pl.Datetime("us")), pl.col("hour").cast(pl.Int8))  # fmt: skip


def loaded(source: str, folder: Path) -> Model:
    (folder / "model.py").write_text(source)
    return load_model(Code({"model.py": source.encode()}, folder))


def digests(source: str, folder: Path, rows: pl.DataFrame = ROWS) -> dict[str, str]:
    return feature_digests(loaded(source, folder), rows)


def replaced(old: str, new: str) -> Callable[[str], str]:
    assert old in SOURCE
    return lambda source: source.replace(old, new)


CHANGES: dict[str, tuple[Callable[[str], str], set[str]]] = {
    "nothing": (lambda source: source, set()),
    "comments, docstrings, annotations and layout": (
        replaced('(rows: pl.DataFrame) -> pl.DataFrame:\n    """What is made of it."""', "(rows):\n    # by Ada\n"),
        set(),
    ),
    "the function's name": (lambda source: source.replace("made", "made_by_ada"), set()),
    "a column beside it in the lookup": (replaced('"stock", by', '"stock", "price", by'), set()),
    "one width of a window": (replaced('"3d"', '"4d"'), set()),
    "a constant it reads": (replaced("LIMIT = 5", "LIMIT = 6"), {"heavy", "twice"}),
    "a function it calls": (replaced("column * 2", "column * 3"), {"heavy", "twice"}),
    "what it does": (replaced("dt.hour()", "dt.weekday()"), {"hour"}),
    "the expression of a lookup": (replaced(".sum()", ".mean()"), {"sold_1d", "sold_3d"}),
    "the source of the questions": (
        lambda source: source.replace('Source("orders"', 'Source("orders_too"'),
        {"shop", "weight", "at", "stock", "sold_1d", "sold_3d", "heavy", "twice", "hour"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_digest_changes_with_what_is_computed_and_with_nothing_else(change: str, tmp_path: Path) -> None:
    do, moved = CHANGES[change]
    before = digests(SOURCE, tmp_path)
    gained = pl.DataFrame({"price": [1.0], "sold_4d": [1.0]})
    after = digests(do(SOURCE), tmp_path, ROWS.hstack(gained))
    assert {name for name in before if name in after and before[name] != after[name]} == moved
    assert len(set(before.values())) == len(before)


def test_another_type_is_another_feature(tmp_path: Path) -> None:
    as_integers = ROWS.with_columns(pl.col("weight").cast(pl.Int64))
    before, after = digests(SOURCE, tmp_path), digests(SOURCE, tmp_path, as_integers)
    assert {name for name in before if before[name] != after[name]} == {"weight", "heavy", "twice"}


def test_without_source_text_the_bytecode_tells() -> None:
    def of(function: Any) -> str:
        from outlast.project.declare import Source

        source = Source("s", "s.csv")
        model = Model("m", asks=source["a"], features=[function], label=source["y"], fit=lambda x, y, seed: None)
        return feature_digests(model, pl.DataFrame({"a": [1.0], "b": [1.0]}))["b"]

    one, same, other = (
        eval(f"lambda rows: rows.select(b=pl.col('a') {sign} 1)", {"pl": pl}) for sign in ("+", "+", "-")
    )
    assert of(one) == of(same) != of(other)
