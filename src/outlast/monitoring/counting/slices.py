"""Declared slices: by which value of a column a prediction is counted beside the whole.

A slice is named `column=value`. Values are those that training knew: the hundred most frequent words, or the bins of a
number; all others together are *other*. So a slice's name never hangs on who came first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from outlast.data.past.declared import word_of
from outlast.data.profile import ABOVE, BELOW, MISSING, UNSEEN, Bins, Profile
from outlast.monitoring.counting.answered import ABSENT, Answered
from outlast.monitoring.counting.counts import Ints

MOST = 100
OTHER = "other"
_CELLS = {MISSING: "missing", BELOW: "below", ABOVE: "above", UNSEEN: OTHER}


@dataclass(frozen=True)
class Slices:
    """The columns of a version that can be told apart: bins of its features, and words of what else is asked."""

    profile: Profile = field(default_factory=lambda: Profile([]))
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, column: str, answered: Answered) -> tuple[Ints, list[str]]:
        """The slice of each prediction as a place in a list of names; -1 where it was kept without the column."""
        bins = {one.name: (index, one) for index, one in enumerate(self.profile.features)}
        if column in bins and bins[column][1].kind == "number":
            return _by_cell(column, *bins[column], answered)
        known = bins[column][1].categories if column in bins else self.words.get(column, ())
        return _by_word(column, [str(word) for word in known[:MOST]], answered)


def _by_cell(column: str, index: int, bins: Bins, answered: Answered) -> tuple[Ints, list[str]]:
    cells, sound = answered.cells
    names = [f"{column}={_CELLS[cell] if cell in _CELLS else _between(bins, cell)}" for cell in range(20)]
    return np.where(sound, cells[:, index].astype(np.int64), -1), names


def _between(bins: Bins, cell: int) -> str:
    if cell + 1 >= len(bins.edges):
        return OTHER
    low, high = bins.edges[cell], bins.edges[cell + 1]
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


def _by_word(column: str, known: Sequence[str], answered: Answered) -> tuple[Ints, list[str]]:
    names = [*known, OTHER, "missing"]
    places = {name: place for place, name in enumerate(known)}
    every = np.arange(len(answered), dtype=np.int64)
    found = []
    for value in answered.columns([column], every)[column]:
        if value is ABSENT:
            found.append(-1)
        elif value is None:
            found.append(len(known) + 1)
        else:
            found.append(places.get(word_of(value), len(known)))
    return np.array(found, np.int64), [f"{column}={name}" for name in names]
