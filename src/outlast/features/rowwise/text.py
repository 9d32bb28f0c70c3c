"""Text, where Python and Polars agree on it: what letters are called in capitals is asked of ASCII only."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl

from outlast.features.rowwise.operations import Maker, Operation, Table, alike, constant, refuse
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Unsure

_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9 _,;:/@%&='\"!<>-]+", re.ASCII)
_SPACES = " \t\n\r\x0b\x0c"


def _of_ascii(function: Callable[[str], str]) -> Maker:
    def ascii_only(a: str) -> str:
        if a.isascii():
            return function(a)
        raise Unsure("what Unicode says of these letters")

    return lambda node: Operation(ascii_only)


def _with_text(function: Callable[[str, str], Any]) -> Maker:
    """An operation with a constant text."""

    def make(node: Node) -> Operation:
        if alike(node) != pl.String or not isinstance(constant(node, 1), str):
            raise refuse(node)
        return Operation(function)

    return make


def _contains(node: Node) -> Operation:
    literal, _ = node.details
    sought = constant(node, 1)
    if alike(node) != pl.String or not (literal or _PLAIN_PATTERN.fullmatch(sought)):
        raise refuse(node)
    return Operation(lambda a, part: part in a)


def _replace(node: Node) -> Operation:
    times, literal = node.details
    sought, other = constant(node, 1), constant(node, 2)
    plain = _PLAIN_PATTERN.fullmatch(sought) and (literal or "$" not in other)
    if alike(node) != pl.String or not plain:
        raise refuse(node)
    return Operation(lambda a, old, new: a.replace(old, new, times))


def _strip(function: Callable[[str, str], str]) -> Maker:
    def spaces(a: str) -> str:
        if a.isascii():
            return function(a, _SPACES)
        raise Unsure("which of these letters are spaces")

    def make(node: Node) -> Operation:
        if node.inputs[1].is_literal and node.inputs[1].value is None:
            return Operation(spaces, of_first=True)
        return _with_text(function)(node)

    return make


def _slice(node: Node) -> Operation:
    offset = constant(node, 1)
    length = node.inputs[2].value if node.inputs[2].is_literal else constant(node, 2)
    if length is not None and length < 0:
        raise refuse(node)

    def function(a: str) -> str:
        start = offset if offset >= 0 else len(a) + offset
        return a[max(start, 0) :] if length is None else a[max(start, 0) : max(start + length, 0)]

    return Operation(function, of_first=True)


def _head(node: Node) -> Operation:
    count = constant(node, 1)
    return Operation(lambda a: a[:count], of_first=True)


def _tail(node: Node) -> Operation:
    count = constant(node, 1)
    if count == 0:
        return Operation(lambda a: "", of_first=True)
    return Operation(lambda a: a[-count:], of_first=True)


def _concat(node: Node) -> Operation:
    delimiter, ignore_nulls = node.details
    if alike(node) != pl.String or ignore_nulls:
        raise refuse(node)
    return Operation(lambda *parts: delimiter.join(parts))


OPERATIONS: Table = {
    "LenChars": lambda node: Operation(len),
    "LenBytes": lambda node: Operation(lambda a: len(a.encode())),
    "Lowercase": _of_ascii(str.lower),
    "Uppercase": _of_ascii(str.upper),
    "StartsWith": _with_text(str.startswith),
    "EndsWith": _with_text(str.endswith),
    "Contains": _contains,
    "Replace": _replace,
    "Slice": _slice,
    "Head": _head,
    "Tail": _tail,
    "StripChars": _strip(str.strip),
    "StripCharsStart": _strip(str.lstrip),
    "StripCharsEnd": _strip(str.rstrip),
    "StripPrefix": _with_text(str.removeprefix),
    "StripSuffix": _with_text(str.removesuffix),
    "ConcatHorizontal": _concat,
}
