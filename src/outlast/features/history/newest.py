"""Which facts of a span count, where some were replaced or withdrawn meanwhile, or happened in another order."""

from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.features.history.layout import FOREVER, Layout, Questions
from outlast.features.history.segments import Segments, chunks, gathered

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def stretched(layout: Layout, questions: Questions, span: tuple[Ints, Ints], rows: int, at_once: int) -> Ints:
    """For each question, a place from which on at least so many facts stand, or the lowest where fewer do.

    `span` holds the lowest and the end of each. Only questions that find too few look further back, twice as far each
    time, and those that found all that stand of their entity do not: what is read stays near what is needed.
    """
    lowest, high = span
    low = np.maximum(lowest, high - rows)
    if layout.until is None:
        return low
    wanted = np.minimum(rows, _standing(layout, questions, high))
    open_ = np.flatnonzero(low > lowest)
    while len(open_):
        few = np.empty(len(open_), np.bool_)
        for part in chunks(low[open_], high[open_], at_once):
            some = open_[part]
            few[part] = standing(layout, questions, some, (low[some], high[some])).lengths < wanted[some]
        open_ = open_[few]
        low[open_] = np.maximum(lowest[open_], high[open_] - 2 * (high[open_] - low[open_]))
        open_ = open_[low[open_] > lowest[open_]]
    return low


def standing(layout: Layout, questions: Questions, which: Ints | slice, span: tuple[Ints, Ints]) -> Segments:
    """The facts of some questions' spans that no later version had replaced by then."""
    facts = gathered(*span)
    if layout.until is None:
        return facts
    return facts.where(layout.until[facts.index] >= questions.at[which][facts.owner])


def newest(facts: Segments, rows: int) -> Segments:
    """The last so many of each slice."""
    place = np.arange(len(facts.index))
    return facts.where(facts.offsets[1:][facts.owner] - place <= rows)


def by_event(facts: Segments, happened: npt.NDArray[Any], at: Ints, width: int) -> Segments:
    """Of each slice, which is in order of moment known and key, the facts that happened in a window, in that order."""
    moments, asked = happened[facts.index], at[facts.owner]
    inside = (moments < asked) & (moments >= asked - width)
    kept = facts.where(inside)
    order = np.lexsort((moments[inside], kept.owner))
    return Segments(kept.index[order], kept.offsets)


def _standing(layout: Layout, questions: Questions, high: Ints) -> Ints:
    """How many facts of each question's entity were known before and are not replaced by then."""
    assert layout.until is not None
    replaced = np.flatnonzero(layout.until < FOREVER)
    moments = layout.until[replaced]
    order = np.argsort(moments)
    ranked, bits = moments[order], len(replaced).bit_length()
    owners = (layout.place[replaced[order]] >> layout.bits << bits) | np.arange(len(order))
    owners.sort()
    earlier = np.searchsorted(ranked, questions.at, side="left")
    first, until = (np.searchsorted(owners, (questions.entity << bits) | rank) for rank in (0, earlier))
    found: Ints = high - layout.begin(questions) - (until - first)
    return found
