"""Lines of the model's matrix made at once are those made one by one, bit by bit."""

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.bundle.compiled import scalar
from outlast.bundle.lines import lines_of
from outlast.bundle.plan import Code, Column, Equal, Fill, Number, Over, Plus, Single, Times
from outlast.errors import FeatureError

CODE = Code(("a", "b", "c"), (0.0, 1.0, 2.0), unknown=-1.0, missing=None)
COLUMNS = [
    Column("x", (Number(),)),
    Column("x", (Number(), Plus(-0.3), Over(1.7))),
    Column("y", (Number(), Plus(0.1), Over(3.0))),
    Column("x", (Fill(2), Number(), Times(1e200))),
    Column("y", (Fill(0.5), Number(), Times(-0.0))),
    Column("n", (Number(), Single())),
    Column("x", (Number(), Single())),
    Column("w", (CODE, Equal(0.0))),
    Column("w", (CODE, Equal(1.0), Plus(0.5), Over(0.3))),
    Column("w", (CODE, Number())),
    Column("n", (Number(), Equal(3.0))),
    Column("w", (Fill("b"), CODE)),
    Column("y", (Number(), Plus(1.0))),
]
NAMES = ["w", "unused", "x", "y", "n"]
numbers = st.none() | st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, 1e308, 5e-324])
rows_of = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "other", None]),
        st.just("?"),
        numbers,
        numbers,
        st.none() | st.booleans() | st.integers(-(2**20), 2**20) | st.just(3),
    ),
    min_size=1,
    max_size=12,
)


def bits(lines: Any) -> list[list[bytes]]:
    return [[struct.pack("<d", math.nan if value != value else value) for value in line] for line in lines]


@settings(max_examples=60, deadline=None)
@given(rows_of)
def test_many_rows_give_the_lines_that_each_gives_alone(rows: list[tuple[Any, ...]]) -> None:
    steps = [(NAMES.index(column.name), scalar(column.ops)) for column in COLUMNS]
    with np.errstate(all="ignore"):
        alone = [[step(row[place]) for place, step in steps] for row in rows]
    lines = lines_of(COLUMNS, NAMES, lambda column: scalar(column.ops))
    assert bits(lines(rows).tolist()) == bits(alone)
    assert bits(lines(rows).tolist()) == bits(alone), "what is kept of the first time is the same"


def test_a_word_that_is_refused_is_refused_among_many() -> None:
    strict = Code(("a",), (0.0,), refuses=("unknown",))
    lines = lines_of([Column("w", (strict, Equal(0.0)))], ["w"], lambda column: scalar(column.ops))
    assert lines([("a",), ("a",)]).tolist() == [[1.0], [1.0]]
    with pytest.raises(FeatureError, match="refuse"):
        lines([("a",), ("z",)])


def test_what_python_refuses_is_not_left_to_numpy() -> None:
    lines = lines_of([Column("x", (Number(), Over(0.0)))], ["x"], lambda column: scalar(column.ops))
    with pytest.raises(ZeroDivisionError):
        lines([(1.0,)])
