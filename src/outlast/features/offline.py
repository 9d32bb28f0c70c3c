"""Lookups over a whole history: for every question, the facts known strictly before its moment."""

from datetime import timedelta

import numpy as np
import polars as pl

from outlast.engines import Engine, Local
from outlast.features.compiled import CompiledLookup
from outlast.features.history.layout import Ints, Layout, Questions, asked, lay_out
from outlast.features.history.parts import in_parts, parts_needed
from outlast.features.history.windows import windows

_MICROSECOND = timedelta(microseconds=1)
_HERE = Local()


def look_up(
    compiled: CompiledLookup, facts: pl.LazyFrame, asks: pl.DataFrame, at: pl.Series, *, engine: Engine = _HERE
) -> pl.DataFrame:
    """One column per output, in the order of the asks; `at` holds each question's moment in microseconds."""
    count = parts_needed(compiled, facts, engine)
    if count == 1:
        return at_once(compiled, facts, asks, at)
    return in_parts(compiled, facts, asks, at, (at_once, count, engine))


def at_once(compiled: CompiledLookup, facts: pl.LazyFrame, asks: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    """The same, with the whole history in memory."""
    layout = lay_out(compiled, facts)
    entity, named = asked(compiled, layout, asks)
    present = named & at.is_not_null().to_numpy()
    questions = layout.questions(entity, at.fill_null(0).to_numpy().astype(np.int64), present)
    kind = _latest if compiled.lookup.kind == "latest" and compiled.event is None else windows
    found = kind(compiled, layout, questions)
    back = np.empty(len(questions.order), np.int64)
    back[questions.order] = np.arange(len(back))
    return pl.DataFrame(found).select(pl.all().gather(pl.Series(back)))


def _latest(compiled: CompiledLookup, layout: Layout, questions: Questions) -> list[pl.Series]:
    index = layout.position(questions) - 1
    if compiled.reach is None and layout.until is None:
        found = questions.present & layout.owned(questions, index)
    else:
        reach = compiled.reach
        begin = layout.begin(questions) if reach is None else layout.position(questions, reach // _MICROSECOND)
        if layout.until is not None:
            _step_back(index, begin, layout.until, questions)
        found = questions.present & (index >= begin)
    columns = ((output, layout.column(output.measure)) for output in compiled.outputs)
    return [column.at(index, found).cast(output.dtype).alias(output.name) for output, column in columns]


def _step_back(index: Ints, begin: Ints, until: Ints, questions: Questions) -> None:
    """Move on to the newest fact that no later version had replaced by the time of the question."""
    left = np.arange(len(index))
    while len(left):
        left = left[index[left] >= begin[left]]
        left = left[until[index[left]] < questions.at[left]]
        index[left] -= 1
