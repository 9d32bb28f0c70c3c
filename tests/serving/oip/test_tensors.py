"""Tensors: JSON and bytes mean the same, and whatever else comes is refused with a sentence."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.errors import RequestError
from outlast.serving.oip.tensors import DATATYPES, Tensor, tensor_of

QUICK = settings(derandomize=True, database=None, deadline=None, max_examples=80)
NUMPY = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}


def values(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return st.text(max_size=8)
    if datatype == "BOOL":
        return st.booleans()
    if datatype.startswith("FP"):
        width = int(datatype[2:])
        return st.none() | st.floats(width=width, allow_nan=False)
    limits = np.iinfo(datatype.lower())
    return st.integers(int(limits.min), int(limits.max))


@QUICK
@given(st.sampled_from(DATATYPES).flatmap(lambda one: st.tuples(st.just(one), st.lists(values(one), max_size=6))))
def test_json_and_bytes_mean_the_same(given: tuple[str, list[Any]]) -> None:
    datatype, data = given
    one = tensor_of("x", datatype, [len(data)], data, most=10)
    again = tensor_of("x", datatype, [len(data)], one.as_bytes(), most=10)
    assert again == one
    assert one.values == data


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)


@QUICK
@given(
    st.sampled_from([*DATATYPES, "BF16", ""]), st.lists(st.integers(-1, 3), max_size=3), JUNK | st.binary(max_size=40)
)
def test_anything_is_a_tensor_of_its_shape_or_refused(datatype: str, shape: list[int], data: Any) -> None:
    said = None
    try:
        found = tensor_of("x", datatype, shape, data, most=3)
    except RequestError as error:
        said = error.sentence
    if said is not None:
        assert said.startswith("Tensor 'x' ")
        return
    assert len(found.values) == np.prod(shape)
    assert all(one is None or one.__class__ in (bool, int, float, str) for one in found.values)
    assert isinstance(found.as_bytes(), bytes)


@pytest.mark.parametrize(("datatype", "given", "meant"), [("FP32", 0.1, float(np.float32(0.1))), ("FP64", 0.1, 0.1)])
def test_a_number_is_what_its_datatype_holds(datatype: str, given: float, meant: float) -> None:
    assert tensor_of("x", datatype, [1], [given], most=1).values == [meant]


def test_not_a_number_in_bytes_is_nothing() -> None:
    assert tensor_of("x", "FP32", [2], struct.pack("<ff", 1.5, float("nan")), most=2).values == [1.5, None]


def test_rows_lie_one_after_another() -> None:
    one = tensor_of("x", "INT64", [2, 2], [[1, 2], [3, 4]], most=2)
    assert one == Tensor("x", "INT64", [2, 2], [1, 2, 3, 4])
    assert one.nested() == [[1, 2], [3, 4]]
