"""Counts come back from bytes as they were, and what cannot be read says so."""

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.errors import StorageError
from outlast.monitoring.counting.counts import Counts, shapes
from outlast.monitoring.counting.packed import pack, unpack
from outlast.monitoring.counting.sums import Moments

numbers = st.sampled_from([0, 1, 200, 70_000, 2**40, -3])


@given(
    st.lists(st.tuples(st.sampled_from(sorted(shapes(2))), numbers), max_size=6),
    st.lists(st.floats(-1e6, 1e6), max_size=4),
    numbers,
)
def test_counts_come_back_and_equal_ones_are_equal_bytes(
    filled: list[tuple[str, int]], values: list[float], tally: int
) -> None:
    shape = shapes(2)
    arrays = {name: np.full(shape[name], value) for name, value in filled}
    found = Counts.of(("a", "b"), 7, arrays, {"matured": tally}, {"loss": Moments.of(values)})
    assert unpack(pack(found)) == found
    assert pack(unpack(pack(found))) == pack(found)
    assert unpack(pack(found.light())) == found.light()
    assert not found - found


def test_counts_that_are_broken_or_of_a_later_outlast_are_refused() -> None:
    with pytest.raises(StorageError, match="count the model's journal anew"):
        unpack(b"no counts")
    later = zlib.compress(msgspec.msgpack.encode([2, [], 0, [], "<u1", b"", {}, {}]))
    with pytest.raises(StorageError, match="has format 2"):
        unpack(later)
