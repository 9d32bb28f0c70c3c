"""Tensors of the protocol: a datatype, a shape, and values in JSON or as bytes.

Nothing is null in JSON and NaN in bytes; integers, truth values and texts have no way to be missing in bytes.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from outlast.errors import RequestError, nearest

_NUMPY = {"BOOL": "u1", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
_NUMPY |= {f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)}
_NUMPY |= {f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)}
DATATYPES = (*_NUMPY, "BYTES")
_LENGTH = struct.Struct("<I")
_NONE = type(None)


@dataclass(frozen=True)
class Tensor:
    """A named tensor of one or two dimensions; its values lie flat, row by row, None where there is none."""

    name: str
    datatype: str
    shape: list[int]
    values: list[Any]

    @property
    def is_float(self) -> bool:
        return self.datatype.startswith("FP")

    @property
    def is_number(self) -> bool:
        return self.datatype not in ("BOOL", "BYTES")

    def nested(self) -> list[Any]:
        """The values as rows, where there are two dimensions."""
        if len(self.shape) == 1:
            return self.values
        width = self.shape[1]
        return [self.values[at : at + width] for at in range(0, len(self.values), width or 1)]

    def as_bytes(self) -> bytes:
        """The values one after another, a text after its length."""
        if self.datatype == "BYTES":
            texts = [b"" if one is None else one.encode("utf-8", "replace") for one in self.values]
            return b"".join([_LENGTH.pack(len(text)) + text for text in texts])
        return np.array(self.values, dtype=_NUMPY[self.datatype]).tobytes()


def tensor_of(name: str, datatype: str, shape: Sequence[int], data: Any, *, most: int) -> Tensor:
    """A tensor from its values: a flat list or rows of them, or bytes; RequestError names it and what was expected.

    Its first dimension, of at most `most`, is that of rows.
    """
    count = _count(name, datatype, shape, most)
    values = (
        _from_bytes(name, datatype, data, count)
        if isinstance(data, bytes)
        else _given(name, datatype, _flat(name, shape, data))
    )
    if len(values) != count:
        raise _fault(name, f"has {len(values)} values, and its shape {list(shape)} means {count}")
    return Tensor(name, datatype, list(shape), values)


def _count(name: str, datatype: str, shape: Sequence[int], most: int) -> int:
    if datatype not in DATATYPES:
        raise _fault(name, f"is of datatype '{datatype[:40]}', which is none here: {nearest(datatype, DATATYPES)}")
    if not 1 <= len(shape) <= 2 or min(shape) < 0:
        raise _fault(name, f"has the shape {str(list(shape))[:60]}: expected [rows] or [rows, columns]")
    if shape[0] > most:
        raise _fault(name, f"has {shape[0]} rows, more than {most}: send it in parts")
    return prod(shape)


def _flat(name: str, shape: Sequence[int], data: Any) -> list[Any]:
    """Values one after another, from such a list or from rows that are as long as the shape says."""
    if not isinstance(data, list):
        raise _fault(name, "has no data: expected a list of values")
    if len(shape) == 1 or not data or not all(isinstance(row, list) for row in data):
        return data
    odd = next((row for row in data if len(row) != shape[1]), None)
    if odd is not None:
        raise _fault(name, f"has a row of {len(odd)} values, and its shape {list(shape)} means {shape[1]}")
    return list(chain.from_iterable(data))


def _given(name: str, datatype: str, values: list[Any]) -> list[Any]:
    """Values of JSON or of typed lists, as their datatype has them."""
    kinds = set(map(type, values)) - {_NONE}
    if not kinds <= _kinds(datatype):
        odd = next(one for one in values if one is not None and type(one) not in _kinds(datatype))
        raise _fault(name, f"has {_shown(odd)} among its values: expected {datatype}")
    if datatype.startswith("FP"):
        return _rounded(name, datatype, values)
    if datatype not in ("BOOL", "BYTES"):
        _require_within(name, datatype, [one for one in values if one is not None])
    return values


def _kinds(datatype: str) -> set[type]:
    if datatype == "BYTES":
        return {str}
    if datatype == "BOOL":
        return {bool}
    return {int, float} if datatype.startswith("FP") else {int}


def _rounded(name: str, datatype: str, values: list[Any]) -> list[float | None]:
    """Numbers as their datatype holds them, so that JSON and bytes mean the same."""
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which no field takes
            found = np.array(values, dtype="<f8").astype(_NUMPY[datatype])
    except OverflowError:
        raise _fault(name, f"has a number that {datatype} cannot hold") from None
    return _without_nan(found)


def _require_within(name: str, datatype: str, values: list[int]) -> None:
    limits = np.iinfo(_NUMPY[datatype])
    if values and not (limits.min <= min(values) and max(values) <= limits.max):
        raise _fault(name, f"has a number that {datatype} cannot hold: expected {limits.min} to {limits.max}")


def _from_bytes(name: str, datatype: str, data: bytes, count: int) -> list[Any]:
    if datatype == "BYTES":
        return _texts(name, data, count)
    size = np.dtype(_NUMPY[datatype]).itemsize
    if len(data) != count * size:
        raise _fault(name, f"has {len(data)} bytes of {datatype}: expected {count * size} for {count} values")
    found = np.frombuffer(data, dtype=_NUMPY[datatype])
    if datatype == "BOOL":
        flags: list[Any] = (found != 0).tolist()
        return flags
    values: list[Any] = found.tolist()
    return _without_nan(found) if datatype.startswith("FP") else values


def _texts(name: str, data: bytes, count: int) -> list[str]:
    """Texts, each after its length in four bytes."""
    found: list[str] = []
    at = 0
    while at < len(data):
        end = at + 4
        end += _LENGTH.unpack_from(data, at)[0] if end <= len(data) else 0
        if at + 4 > len(data) or end > len(data):
            raise _fault(name, f"ends in the middle of text {len(found)}: expected four bytes of length before each")
        if len(found) == count:
            raise _fault(name, f"has more than the {count} texts that its shape means")
        found.append(text_of(name, data[at + 4 : end]))
        at = end
    return found


def text_of(name: str, data: bytes) -> str:
    """One text; RequestError where it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _fault(name, f"has a text that is not UTF-8 (byte {error.start}): send UTF-8") from None


def _without_nan(found: Any) -> list[float | None]:
    values: list[float | None] = found.tolist()
    return [None if one != one else one for one in values] if np.isnan(found).any() else values


def _shown(value: Any) -> str:
    kinds: dict[type, Callable[[], str]] = {list: lambda: "a list", dict: lambda: "an object"}
    return kinds.get(type(value), lambda: repr(value)[:40])()


def _fault(name: str, says: str) -> RequestError:
    return RequestError(f"Tensor '{name[:80]}' {says}", details={"field": name[:80]})
