"""Words of the columns that a contract declares as slices: what the decisions about each lost in the reference."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

MOST = 200
"""The most words that are watched, over all columns."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One word of a column, with the rows of the reference that have it and the sum of their mills."""

    column: str
    word: str
    rows: int
    mills: int


class Declared(msgspec.Struct, frozen=True):
    """Words that no bin stands for, in the order of their counts."""

    words: list[Word] = []

    @property
    def totals(self) -> Ints:
        """Rows and mills in the reference: [word, 2]."""
        return np.array([(one.rows, one.mills) for one in self.words], np.int64).reshape(-1, 2)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(one.column for one in self.words))

    def places(self, column: str) -> dict[str, int]:
        """The place of each word of a column among the counts."""
        return {one.word: place for place, one in enumerate(self.words) if one.column == column}


def word_of(value: Any) -> str:
    """A value of a declared column as it is named.

    >>> word_of(True), word_of("AMS"), word_of(3)
    ('true', 'AMS', '3')
    """
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
