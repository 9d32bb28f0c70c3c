"""Aggregations over the window of every question, by the arithmetic written in `features.arithmetic`.

Counts, sums and means come from running totals, everything else and whatever was corrected from the windows' facts
themselves, gathered a few million at a time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.engines import Local
from outlast.features.aggregate import aggregation, general_value, typed
from outlast.features.compiled import CompiledLookup, Output, derived_columns, general_frame
from outlast.features.history.column import Column
from outlast.features.history.layout import Layout, Questions
from outlast.features.history.newest import by_event, newest, standing, stretched
from outlast.features.history.prefix import Totals, counts, totals
from outlast.features.history.segments import (
    Segments,
    chunks,
    distinct,
    extremes,
    quantiles,
    sums,
    variances,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Answer = tuple[npt.NDArray[Any] | pl.Series, Bools | None]
"""Values of some windows and which of them are there; None when all are."""
AT_ONCE = 4_000_000
"""How many facts of windows are gathered at a time, and with them how much memory they take."""
_HERE = Local()
_MICROSECOND = timedelta(microseconds=1)
_BY_TOTALS = ("sum", "mean", "count", "len")


def windows(compiled: CompiledLookup, layout: Layout, questions: Questions) -> list[pl.Series]:
    """One column per output, in the order of the sorted questions."""
    view = _View(compiled, layout, questions)
    found = _totalled(view) if view.plain else {}
    rest: dict[Any, list[Output]] = {}
    for output in compiled.outputs:
        if output.name not in found:
            rest.setdefault((output.width, output.rows), []).append(output)
    for outputs in rest.values():
        found.update(_gathering(view, outputs))
    return [found[output.name] for output in compiled.outputs]


def _totalled(view: "_View") -> dict[str, pl.Series]:
    """The outputs that running totals give, several measures and spans at once."""
    groups: dict[Any, list[Output]] = {}
    for output in view.compiled.outputs:
        if output.operation in _BY_TOTALS:
            groups.setdefault((output.measure, output.width, output.rows), []).append(output)
    summed = {one.measure for some in groups.values() for one in some if one.operation in ("sum", "mean")}
    view.prepare(summed)

    def of_one(outputs: list[Output]) -> dict[str, pl.Series]:
        answers = ((output, _by_totals(view, output)) for output in outputs)
        return {output.name: view.finished(output, answer) for output, answer in answers if answer is not None}

    found = _HERE.shared(of_one, groups.values())
    return {name: series for part in found for name, series in part.items()}


@dataclass(frozen=True, eq=False)
class _View:
    """The windows of a lookup's questions, found once for each span, and the totals of each measure."""

    compiled: CompiledLookup
    layout: Layout
    questions: Questions
    _spans: dict[tuple[timedelta | None, int | None], tuple[Ints, Ints]] = field(default_factory=dict)
    _totals: dict[int, Totals | None] = field(default_factory=dict)
    _sums: dict[Any, Ints | Floats] = field(default_factory=dict)

    def column(self, measure: int) -> Column:
        """A measure of the facts, in their order, whether it is kept or derived."""
        kept = len(self.compiled.measures)
        return self.layout.column(measure) if measure < kept else self._derived[measure - kept]

    @cached_property
    def _derived(self) -> list[Column]:
        return [
            Column(one, self.layout.rows) for one in derived_columns(self.compiled, self.layout.measures.get_columns())
        ]

    @property
    def plain(self) -> bool:
        """Whether a span holds the facts that count and no others, in their order."""
        return self.layout.until is None and self.compiled.event is None

    def span(self, output: Output) -> tuple[Ints, Ints]:
        """Where each question's window begins and ends; nothing for a question that names nobody.

        It may hold others where it is not plain: they are taken out once they are gathered.
        """
        kind = output.width, output.rows
        if kind not in self._spans:
            low = np.where(self.questions.present, self._lowest(output), self._high)
            if output.rows is not None and self.compiled.event is None:
                low = stretched(self.layout, self.questions, (low, self._high), output.rows, AT_ONCE)
            self._spans[kind] = low, self._high
        return self._spans[kind]

    def _lowest(self, output: Output) -> Ints:
        if output.width is None:
            return self.layout.begin(self.questions)
        return self.layout.position(self.questions, output.width // _MICROSECOND)

    @cached_property
    def _high(self) -> Ints:
        return self.layout.position(self.questions)

    def prepare(self, summed: Iterable[int]) -> None:
        """Find every span and the totals of some measures, several at once, so that what follows shares them."""
        _ = self._high, self.questions.by_time, self.layout.rows.all  # what all of them read, found once
        spans = {(output.width, output.rows): output for output in self.compiled.outputs}
        work = [partial(self.span, output) for output in spans.values()]
        numbers = [partial(getattr, self.column(measure), "numbers") for measure in summed]
        _HERE.shared(lambda one: one(), [*work, *numbers])
        _HERE.shared(self.totals, summed)

    @cached_property
    def most(self) -> int:
        """The most facts that any window holds."""
        spans = [self.span(output) for output in self.compiled.outputs]
        return max(int((high - low).max(initial=0)) for low, high in spans)

    def totals(self, measure: int) -> Totals | None:
        if measure not in self._totals:
            self._totals[measure] = totals(self.column(measure), self.most)
        return self._totals[measure]

    def sums(self, output: Output) -> Ints | Floats | None:
        """The sum of each of an output's windows, from running totals; None where those would not be exact."""
        kind = output.measure, output.width, output.rows
        found = self.totals(output.measure)
        if found is not None and kind not in self._sums:
            self._sums[kind] = found.sums(*self.span(output))
        return None if found is None else self._sums[kind]

    def finished(self, output: Output, answer: Answer) -> pl.Series:
        """Computed values as a column of the output's type, null for questions that name nobody."""
        values, there = answer
        series = values if isinstance(values, pl.Series) else pl.Series(values)
        present = self.questions.present
        there = present if there is None else there & present
        if not there.all():
            series = series.set(pl.Series(~there), None)
        return series.cast(output.dtype).alias(output.name)


def _by_totals(view: _View, output: Output) -> Answer | None:
    low, high = view.span(output)
    if output.operation == "len":
        return high - low, None
    column = view.column(output.measure)
    if output.operation == "count":
        before = counts(column)
        return (high - low if before is None else before[high] - before[low]), None
    values, found = view.sums(output), view.totals(output.measure)
    if values is None or found is None:
        return None
    return (values, None) if output.operation == "sum" else _over(values, found.counted(low, high))


def _over(values: npt.NDArray[Any], counted: Ints) -> Answer:
    return values.astype(np.float64) / np.maximum(counted, 1), counted > 0


def _gathering(view: _View, outputs: list[Output]) -> dict[str, pl.Series]:
    """The outputs of one span, computed over its windows' facts."""
    low, high = view.span(outputs[0])
    found: dict[str, list[pl.Series]] = {output.name: [pl.Series([], dtype=output.dtype)] for output in outputs}
    for part in chunks(low, high, AT_ONCE // min(_HERE.threads, len(outputs))):
        facts = standing(view.layout, view.questions, part, (low[part], high[part]))
        if view.compiled.event is not None and outputs[0].width is not None:
            happened = view.layout.column(view.compiled.event).numbers
            facts = by_event(facts, happened, view.questions.at[part], outputs[0].width // _MICROSECOND)
        if outputs[0].rows is not None and not view.plain:
            facts = newest(facts, outputs[0].rows)
        shared = _Gathered(view, facts, (low[part], high[part]))
        for output, values in zip(outputs, _HERE.shared(shared.computed, outputs), strict=True):
            found[output.name].append(values)
    columns = {output.name: pl.concat(found[output.name], rechunk=True) for output in outputs}
    return {output.name: view.finished(output, (columns[output.name], None)) for output in outputs}


@dataclass(frozen=True, eq=False)
class _Gathered:
    """The facts of some windows, and those among them that have a value, found once for each measure."""

    view: _View
    facts: Segments
    span: tuple[Ints, Ints]
    _present: dict[int, Segments] = field(default_factory=dict)

    def computed(self, output: Output) -> pl.Series:
        if output.general is not None:
            return _general(self.view, output, self.facts)
        answer = self._answer(output, self.view.column(output.measure))
        if answer is None:
            return _one_by_one(self.view, output, self.facts)
        values, there = answer
        series = values if isinstance(values, pl.Series) else pl.Series(values)
        return (series if there is None or there.all() else series.set(pl.Series(~there), None)).cast(output.dtype)

    def present(self, measure: int) -> Segments:
        if measure not in self._present:
            valid = self.view.column(measure).valid
            self._present[measure] = self.facts if valid is None else self.facts.where(valid[self.facts.index])
        return self._present[measure]

    def _answer(self, output: Output, column: Column) -> Answer | None:
        """The values of an output over every window, or None where they are computed one by one."""
        operation, facts = output.operation, self.facts
        if operation == "len":
            return facts.lengths, None
        if operation in ("first", "last"):
            ends = facts.offsets[:-1] if operation == "first" else facts.offsets[1:] - 1
            there = facts.lengths > 0
            places = np.where(there, ends, 0)
            return column.at(facts.index[places] if len(facts.index) else places, there), None
        if operation == "n_unique":
            return distinct(facts, column.ranks[facts.index]), None
        present = self.present(output.measure)
        if operation == "count":
            return present.lengths, None
        if operation in ("std", "var") and _is_number(column):
            return self._spread(output, column, present)
        return _NUMERIC[operation](output, column, present) if _is_number(column) else None

    def _spread(self, output: Output, column: Column, present: Segments) -> Answer:
        """A variance or its root, about a mean from running totals where there are some."""
        known = column.dtype == pl.Float64 and self.view.plain
        found = self.view.totals(output.measure) if known else None
        summed = None if found is None else found.sums(*self.span).astype(np.float64, copy=False)
        values, there = variances(present, column.numbers[present.index].astype(np.float64), output.how.ddof, summed)
        with np.errstate(invalid="ignore"):
            return (np.sqrt(values) if output.operation == "std" else values), there


def _is_number(column: Column) -> bool:
    return column.dtype in (pl.Int64, pl.Float64, pl.Boolean)


def _sum(output: Output, column: Column, present: Segments) -> Answer | None:
    values = column.numbers[present.index]
    if values.dtype == np.float64:
        return sums(present, values.astype(np.float64, copy=False)), None
    size = max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0))))
    if size * int(present.lengths.max(initial=0)) >= 2**63:
        return None
    return present.reduce(np.add, values), None


def _mean(output: Output, column: Column, present: Segments) -> Answer | None:
    summed = _sum(output, column, present)
    return None if summed is None else _over(np.asarray(summed[0]), present.lengths)


def _min(output: Output, column: Column, present: Segments) -> Answer:
    return extremes(present, column.numbers[present.index], least=True), present.lengths > 0


def _max(output: Output, column: Column, present: Segments) -> Answer:
    return extremes(present, column.numbers[present.index], least=False), present.lengths > 0


def _quantile(output: Output, column: Column, present: Segments) -> Answer:
    return quantiles(present, column.numbers[present.index].astype(np.float64), output.how)


_NUMERIC: dict[str, Callable[[Output, Column, Segments], Answer | None]] = {
    "sum": _sum, "mean": _mean, "min": _min, "max": _max, "quantile": _quantile,
}  # fmt: skip


def _one_by_one(view: _View, output: Output, facts: Segments) -> pl.Series:
    operation = aggregation(output)
    values = view.column(output.measure).series.gather(pl.Series(facts.index)).to_list()
    ends = facts.offsets.tolist()
    return typed(output, [operation(values[low:high]) for low, high in pairwise(ends)])


def _general(view: _View, output: Output, facts: Segments) -> pl.Series:
    """A general aggregation, over one window after the other."""
    where = pl.Series(facts.index)
    layout, compiled = view.layout, view.compiled
    columns = [layout.column(measure).series.gather(where) for measure in range(len(compiled.measures))]
    frame = general_frame(compiled, columns)
    ends = facts.offsets.tolist()
    parts = [general_value(output, frame[low:high]) for low, high in pairwise(ends)]
    return pl.concat([pl.Series([], dtype=output.dtype), *parts])
