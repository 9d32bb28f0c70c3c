"""JSON without doubt: the fast count of fields against the plain way to find one that comes twice."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.serving.http.body import parse
from outlast.serving.http.errors import HttpError

NAMES = st.sampled_from(["a", "b", ":", 'x":"y', "é", "\\", "a:b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(alphabet=':"\\{},aé', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
    max_leaves=12,
)


def spelt(value: Any, *, ascii: bool) -> str:
    """JSON in which an object is a tuple of pairs, so that a field can come twice."""
    if isinstance(value, tuple):
        pairs = (f"{json.dumps(name, ensure_ascii=ascii)} : {spelt(one, ascii=ascii)}" for name, one in value)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(spelt(one, ascii=ascii) for one in value) + "]"
    return json.dumps(value, ensure_ascii=ascii)


def twice(value: Any) -> bool:
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(twice(one) for _, one in value)
    return isinstance(value, list) and any(twice(one) for one in value)


@settings(max_examples=160, deadline=None, derandomize=True)
@given(VALUES, st.booleans(), st.booleans())
def test_a_field_that_comes_twice_is_always_found(value: Any, ascii: bool, hidden: bool) -> None:
    text = spelt(value, ascii=ascii)
    if hidden:
        text = text.replace('"a"', '"\\u0061"', 1)
    if twice(value):
        with pytest.raises(HttpError, match="twice"):
            parse(text.encode())
    else:
        assert parse(text.encode()) == json.loads(text)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,\\u0tfn1eE+-. ', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused_with_one_sentence(body: bytes) -> None:
    refused = refusal(body)
    if refused is None:
        json.loads(body)
    else:
        assert refused.status == 400
        assert "\n" not in refused.sentence


def refusal(body: bytes) -> HttpError | None:
    try:
        parse(body)
    except HttpError as error:
        return error
    return None
