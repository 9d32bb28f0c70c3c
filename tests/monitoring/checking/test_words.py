"""Slices and cells in words."""

import pytest
from made import watched

from outlast.data.profile import ABOVE, BELOW, MISSING, OTHER, UNSEEN, Bins
from outlast.monitoring.checking.words import cell_words, slice_words

NUMBER = Bins("wind", "number", edges=[0.0, 2.0, 5.0, 9.0])
WORD = Bins("origin", "category", categories=["EWR", "JFK", "LGA"])


@pytest.mark.parametrize(
    ("bins", "cells", "said"),
    [
        (NUMBER, [1], "wind is from 2 to 5"),
        (NUMBER, [0, 1], "wind is from 0 to 5"),
        (NUMBER, [BELOW, 0], "wind is below 2"),
        (NUMBER, [2, ABOVE], "wind is 5 or more"),
        (NUMBER, [0, 2], "wind is from 0 to 2 or from 5 to 9"),
        (NUMBER, [BELOW, 0, 1, 2, ABOVE], "wind is any number"),
        (NUMBER, [2, ABOVE, MISSING], "wind is 5 or more or missing"),
        (NUMBER, [MISSING], "wind is missing"),
        (NUMBER, [UNSEEN], "wind is never seen before"),
        (WORD, [1], "origin is 'JFK'"),
        (WORD, [0, 2], "origin is 'EWR' or 'LGA'"),
        (WORD, [0, 1, 2, OTHER], "origin is 'EWR' or 'JFK' or 'LGA' or rare"),
        (WORD, [MISSING], "origin is missing"),
    ],
)
def test_cells_are_said_as_a_condition(bins: Bins, cells: list[int], said: str) -> None:
    assert cell_words(bins, cells) == said


def test_slices_are_said_as_a_condition() -> None:
    of = watched()
    assert slice_words(of, "cell:origin:1").startswith("origin is '")
    assert slice_words(of, "leaf:0").startswith("wind is from ")
    assert slice_words(of, "word:desk=a=b") == "desk is 'a=b'"
    first, second = slice_words(of, "pair:0").split(" and ")
    assert (first.startswith("wind is"), second.startswith("origin is")) == (True, True)
