"""Whether keys come twice, counted at once or in parts."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.data import keys

rows = st.lists(st.tuples(st.integers(-3, 12) | st.none(), st.sampled_from(["a", "b", None])), max_size=40)


@settings(max_examples=25)
@given(rows, st.sampled_from([["id"], ["name"], ["id", "name"]]), st.integers(1, 50))
def test_repeated_keys_are_those_of_several_rows(given_: list[Any], names: list[str], at_once: int) -> None:
    frame = pl.DataFrame(given_, schema={"id": pl.Int64, "name": pl.String}, orient="row")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "AT_ONCE", at_once)
        found = keys.repeated(frame.lazy(), names)
    expected = frame.select(names).filter(pl.struct(names).is_duplicated()).unique()
    assert found.sort(names).equals(expected.sort(names))


@settings(max_examples=25)
@given(st.lists(st.integers(-5, 60) | st.none(), max_size=30))
def test_rising_keys_are_all_different(values: list[int | None]) -> None:
    frame = pl.LazyFrame({"id": values}, schema={"id": pl.Int64})
    plain = [value for value in values if value is not None]
    assert keys.rising(frame, ["id"]) == (None not in values and sorted(set(plain)) == plain)
    assert not keys.rising(frame.select(pl.col("id").cast(pl.String)), ["id"])


def test_rising_looks_across_batches() -> None:
    many = pl.int_range(0, 400_000, eager=True).alias("id")
    assert keys.rising(many.to_frame().lazy(), ["id"])
    assert not keys.rising(pl.concat([many, many]).to_frame().lazy(), ["id"])
