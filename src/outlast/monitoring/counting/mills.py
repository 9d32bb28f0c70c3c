"""Loss in thousandths on the scale that was frozen in training: of all, by cell, by leaf and by pair, and by age."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from outlast.bundle.decisions import OUTCOMES
from outlast.data.past import Past
from outlast.data.past.declared import word_of
from outlast.data.past.loss import UNKNOWN
from outlast.data.profile import CELLS
from outlast.monitoring.counting.answered import ABSENT, Answered, Bools, Floats
from outlast.monitoring.counting.counts import Ints, age_buckets
from outlast.monitoring.counting.tabling import Rows


class Known(Protocol):
    """What was known of predictions, a row for each state."""

    answered: Answered
    places: Ints
    offset: int
    labelled: Bools
    counted: Bools
    scored: Bools
    score_cells: Ints
    ages: Floats

    def outcomes(self, here: Ints) -> npt.NDArray[Any]: ...


def add_mills(rows: Rows, known: Known, past: Past) -> None:
    """Add the losses of the model's own answers: of matured ones, and of all by the age of their label."""
    decided = np.array([one is not None for one in known.answered.decisions], bool)[known.places]
    here = np.flatnonzero((known.counted | known.labelled) & known.scored & decided)
    mills = _mills(known, here, past)
    here, mills = here[mills != UNKNOWN], mills[mills != UNKNOWN]
    early = known.labelled[here]
    rows.adds["aged"] = _weighed(here[early] + known.offset, age_buckets(known.ages[here[early]]), mills[early])
    matured = known.counted[here]
    here, mills = here[matured], mills[matured]
    rows.adds["loss"] = _weighed(here + known.offset, np.zeros(len(here), np.int64), mills)
    rows.values["mills"] = (here + known.offset, mills.astype(np.float64))
    _add_words(rows, known, past, (here, mills))
    cells, sound = known.answered.cells
    celled = sound[known.places[here]] & (known.score_cells[here] >= 0)
    here, mills = here[celled], mills[celled]
    table, row = cells[known.places[here]], here + known.offset
    columns = np.arange(table.shape[1], dtype=np.int64) * CELLS
    rows.adds["found"] = _weighed(row, table + columns, mills)
    leaf = past.tree.leaves(table) * CELLS + known.score_cells[here]
    rows.adds["graded_leaves"] = _weighed(row, leaf, mills)
    hit, pair = np.nonzero(past.pairs.hits(table))
    rows.adds["pairs"] = _weighed(row[hit], pair.astype(np.int64), mills[hit])


def _add_words(rows: Rows, known: Known, past: Past, lost: tuple[Ints, Ints]) -> None:
    """Add losses by the words of declared columns."""
    (here, mills), at, words = lost, [], []
    columns = past.declared.columns
    for column, values in known.answered.columns(columns, known.places[here]).items():
        places = past.declared.places(column)
        found = [-1 if value is None else places.get(word_of(value), -1) for value in values]
        at += [row for row, place in enumerate(found) if place >= 0]
        words += [place for place in found if place >= 0]
    if words:
        rows.adds["declared"] = _weighed(here[at] + known.offset, np.array(words, np.int64), mills[at])


def _weighed(rows: Ints, places: Ints, mills: Ints) -> tuple[Ints, Ints, Ints]:
    """To each place one row and its mills."""
    two = np.concatenate([places * 2, places * 2 + 1])
    return np.concatenate([rows, rows]), two, np.concatenate([np.ones_like(mills), mills])


def _mills(known: Known, here: Ints, past: Past) -> Ints:
    """The loss of each; UNKNOWN where a column that it depends on was not kept."""
    answered, scale = known.answered, past.scale
    places = known.places[here]
    outcomes: Sequence[Any] = known.outcomes(here).tolist()
    decisions: Sequence[Any] = [answered.decisions[place] for place in places.tolist()]
    if answered.task == "binary":
        outcomes = [OUTCOMES[outcome] for outcome in outcomes]
    elif answered.task == "regression":
        decisions = [_number(decision) for decision in decisions]
    columns = answered.columns(scale.columns, places)
    found = scale.mills(decisions, outcomes, lambda name: np.array([_number(v) for v in columns[name]], np.float64))
    for values in columns.values():
        found[np.array([value is ABSENT for value in values], bool)] = UNKNOWN
    return found


def _number(value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return float("nan")
    return float(value) if isinstance(value, int | float | Decimal) else float("nan")
