"""Lookups over a whole history: for every question, the facts known strictly before its moment.

Facts are laid out by entity and moment, so that the facts of any question are one slice found by binary search.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import FeatureError
from outlast.features.arithmetic import OPERATIONS
from outlast.features.compiled import CompiledLookup, Output, general_frame
from outlast.features.exact import prefix_sums
from outlast.features.facts import ENTITY, KNOWN, UNTIL, facts_of, measure_names, spelled, superseded

Ints = npt.NDArray[np.int64]
FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class _Layout:
    """Facts in order, and a number for each (entity, moment) that sorts as they do."""

    frame: pl.DataFrame
    known: Ints
    until: Ints
    moments: Ints
    place: Ints
    entities: pl.DataFrame

    @property
    def corrected(self) -> bool:
        return bool((self.until != FOREVER).any())

    def position(self, entity: Ints, before: Ints) -> Ints:
        """The first fact of each entity that was not known strictly before the moment."""
        rank = np.searchsorted(self.moments, before, side="left")
        found: Ints = np.searchsorted(self.place, entity * (len(self.moments) + 1) + rank, side="left")
        return found


def look_up(compiled: CompiledLookup, facts: pl.LazyFrame, asks: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    """One column per output, in the order of the asks; `at` holds each question's moment in microseconds."""
    layout = _lay_out(facts_of(compiled, facts))
    entity, known = _entities(compiled, asks, layout)
    moments = at.fill_null(0).to_numpy().astype(np.int64)
    present = known & at.is_not_null().to_numpy()
    if compiled.lookup.kind == "latest":
        return _latest(compiled, layout, entity, moments, present)
    return _windows(compiled, layout, entity, moments, present)


def _lay_out(facts: pl.DataFrame) -> _Layout:
    frame = superseded(facts).drop_nulls(ENTITY)
    entities = frame.select(pl.col(ENTITY).unique(maintain_order=True)).with_row_index("code")
    codes = frame.select(ENTITY).join(entities, on=ENTITY, how="left", maintain_order="left")["code"]
    known = frame[KNOWN].to_numpy().astype(np.int64)
    moments = np.unique(known)
    place = codes.to_numpy().astype(np.int64) * (len(moments) + 1) + np.searchsorted(moments, known)
    until = frame[UNTIL].fill_null(FOREVER).to_numpy().astype(np.int64)
    return _Layout(frame, known, until, moments, place, entities)


def _entities(compiled: CompiledLookup, asks: pl.DataFrame, layout: _Layout) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Each question's entity as its number in the layout, one past the end without facts, and whether it is named."""
    named = asks.select(spelled(compiled.lookup.entity, types=compiled.fact_types).alias(ENTITY))
    codes = named.join(layout.entities, on=ENTITY, how="left", maintain_order="left")["code"]
    numbers = codes.cast(pl.Int64).fill_null(layout.entities.height).to_numpy().astype(np.int64)
    return numbers, named[ENTITY].is_not_null().to_numpy()


def _latest(
    compiled: CompiledLookup, layout: _Layout, entity: Ints, at: Ints, present: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    begin = layout.position(entity, np.full_like(at, np.iinfo(np.int64).min))
    index = layout.position(entity, at) - 1
    while layout.corrected:
        gone = (index >= begin) & (layout.until[index] < at)
        if not gone.any():
            break
        index = index - gone
    found = present & (index >= begin)
    if compiled.reach is not None and found.any():
        found &= np.where(found, layout.known[index] >= at - _us(compiled.reach), False)
    where = pl.Series(np.where(found, index, 0)).set(pl.Series(~found), None).cast(pl.UInt32)
    columns = measure_names(compiled)
    picked = {o.name: layout.frame[columns[o.measure]].gather(where).cast(o.dtype) for o in compiled.outputs}
    return pl.DataFrame(picked)


def _windows(
    compiled: CompiledLookup, layout: _Layout, entity: Ints, at: Ints, present: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    high = layout.position(entity, at)
    found: dict[str, pl.Series] = {}
    lows: dict[timedelta, Ints] = {}
    for output in compiled.outputs:
        assert output.width is not None
        if output.width not in lows:
            lows[output.width] = layout.position(entity, at - _us(output.width))
        slices = _Slices(lows[output.width], high, at, present)
        found[output.name] = _aggregate(compiled, layout, output, slices)
    return pl.DataFrame(found)


@dataclass(frozen=True, eq=False)
class _Slices:
    low: Ints
    high: Ints
    at: Ints
    present: npt.NDArray[np.bool_]


def _aggregate(compiled: CompiledLookup, layout: _Layout, output: Output, slices: _Slices) -> pl.Series:
    if output.general is not None:
        return _general(compiled, layout, output, slices)
    measure = layout.frame[measure_names(compiled)[output.measure]]
    if not layout.corrected and output.operation in ("sum", "mean", "count", "len"):
        quick = _by_prefix(measure, output, slices)
        if quick is not None:
            return quick
    return _one_by_one(measure.to_list(), layout, output, slices)


def _by_prefix(measure: pl.Series, output: Output, slices: _Slices) -> pl.Series | None:
    """Sums as differences of running totals, where those are exact, so that the bits are those of the arithmetic."""
    sums = prefix_sums(measure, count_only=output.operation in ("count", "len"))
    if sums is None:
        return None
    counted = sums.counts[slices.high] - sums.counts[slices.low]
    if output.operation == "len":
        values: npt.NDArray[Any] = slices.high - slices.low
    elif output.operation == "count":
        values = counted
    else:
        values = sums.between(slices.low, slices.high)
    result = pl.Series(output.name, values)
    if output.operation == "mean":
        safe = pl.Series(np.maximum(counted, 1))
        result = (result.cast(pl.Float64) / safe.cast(pl.Float64)).set(pl.Series(counted == 0), None)
    return result.cast(output.dtype).set(pl.Series(~slices.present), None).alias(output.name)


def _one_by_one(values: list[Any], layout: _Layout, output: Output, slices: _Slices) -> pl.Series:
    operation = aggregation(output)
    until = layout.until if layout.corrected else None
    found: list[Any] = []
    for low, high, at, present in zip(slices.low, slices.high, slices.at, slices.present, strict=True):
        if not present:
            found.append(None)
            continue
        part = values[low:high]
        if until is not None:
            part = [v for v, gone in zip(part, until[low:high], strict=True) if gone >= at]
        found.append(operation(part))
    return typed(output, found)


def _general(compiled: CompiledLookup, layout: _Layout, output: Output, slices: _Slices) -> pl.Series:
    assert output.general is not None
    columns = [layout.frame[name] for name in measure_names(compiled)]
    facts = general_frame(compiled, columns)
    found: list[pl.Series] = []
    for low, high, at, present in zip(slices.low, slices.high, slices.at, slices.present, strict=True):
        if not present:
            found.append(pl.Series([None], dtype=output.dtype))
            continue
        part = facts.slice(int(low), int(high - low))
        if layout.corrected:
            part = part.filter(pl.Series(layout.until[low:high] >= at))
        found.append(general_value(output, part))
    return pl.concat(found).alias(output.name) if found else pl.Series(output.name, [], dtype=output.dtype)


def general_value(output: Output, facts: pl.DataFrame) -> pl.Series:
    """A general aggregation over the facts of one window, in order of moment and key."""
    assert output.general is not None
    try:
        return facts.select(output.general.alias("value"))["value"].cast(output.dtype)
    except pl.exceptions.PolarsError as error:
        raise FeatureError(f"Feature '{output.name}' cannot be computed over {facts.height} facts: {error}") from None


def aggregation(output: Output) -> Callable[[Sequence[Any]], Any]:
    """The arithmetic of an output, over the measures of one window."""
    operation = OPERATIONS[output.operation]
    if output.operation in ("std", "var"):
        return lambda values: operation(values, output.ddof)
    return operation


def typed(output: Output, values: list[Any]) -> pl.Series:
    """Computed values as a column of the output's type."""
    if output.dtype.is_temporal():
        return pl.Series(output.name, values, dtype=pl.Int64).cast(output.dtype)
    if output.dtype == pl.Float64:
        return pl.Series(output.name, values, dtype=pl.Float64, strict=False)
    if output.dtype in (pl.Categorical, pl.Enum):
        return pl.Series(output.name, values, dtype=pl.String).cast(output.dtype)
    return pl.Series(output.name, values, dtype=output.dtype)


def _us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
