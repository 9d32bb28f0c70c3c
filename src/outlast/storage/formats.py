"""Stored things that carry a format number: whoever reads one refuses what a later release wrote."""

import zlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from outlast.errors import StorageError
from outlast.types import FORMAT


class Formatted(Protocol):
    """Something stored that says its format."""

    @property
    def format(self) -> int: ...


T = TypeVar("T", bound=Formatted)
B = TypeVar("B", bytes, bytes | str)


def read(decode: Callable[[B], T], data: B, what: str, *, mend: str) -> T:
    """What is stored; StorageError, with how to mend it, where that is not `what` it should be, or of a later release.

    >>> class Note(msgspec.Struct):
    ...     format: int
    >>> read(msgspec.json.Decoder(Note).decode, b'{"format": 9}', "A stored note", mend="write it again")
    Traceback (most recent call last):
    outlast.errors.StorageError: A stored note has format 9, this Outlast reads up to 1: use the one that wrote it
    """
    try:
        kept = decode(data)
    except (msgspec.DecodeError, zlib.error) as error:
        raise StorageError(f"{what} cannot be read: {error}; {mend}") from error
    if kept.format > FORMAT:
        said = f"{what} has format {kept.format}, this Outlast reads up to {FORMAT}: use the one that wrote it"
        raise StorageError(said)
    return kept
