"""Facts by entity and moment, so that what counts for a question is one slice found by binary search.

Facts are numbered in order of time (ties by their key's text). One 64-bit number per fact holds its entity above that
number: sorting those numbers sorts the facts, without moving anything else, and searching them finds a question's
facts. Questions are sorted first, so that the searches walk through memory in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.features.compiled import CompiledLookup
from outlast.features.facts import KEY, KNOWN, RETRACTED, known_at, measure_names, read_columns, spelled, stored
from outlast.features.history.column import Column, Rows
from outlast.features.history.names import Numbers, numbers, parts
from outlast.features.steady import steady

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_ENTITY, _KEY = "__part", "__name"
_BLOCK = 1 << 16
FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions in order of entity and moment; `order` says which each was."""

    entity: Ints
    at: Ints
    rank: Ints
    """How many facts of anybody were known before."""
    present: Bools
    order: Ints

    @cached_property
    def by_time(self) -> Ints:
        return _by_size(self.at)


@dataclass(frozen=True, eq=False)
class Layout:
    """Facts in order of entity, moment and key."""

    measures: pl.DataFrame
    rows: Rows
    """Which row of the measures each fact is."""
    place: Ints
    known: Ints
    """Every fact's moment, in order of time."""
    until: Ints | None
    """When a later version of each fact was known; None when no fact has one."""
    entities: Numbers
    _columns: dict[int, Column] = field(default_factory=dict)

    @property
    def bits(self) -> int:
        return len(self.known).bit_length()

    def questions(self, entity: Ints, at: Ints, present: Bools) -> Questions:
        """Questions about numbered entities, in the order in which they are answered fastest."""
        rank = self._rank(at, _by_size(at))
        order = np.argsort((entity << self.bits) | rank)
        return Questions(entity[order], at[order], rank[order], present[order], order)

    def position(self, questions: Questions, earlier: int = 0) -> Ints:
        """For each question, its entity's first fact that was not known strictly before its moment less `earlier`."""
        rank = self._rank(questions.at - earlier, questions.by_time) if earlier else questions.rank
        found: Ints = np.searchsorted(self.place, (questions.entity << self.bits) | rank, side="left")
        return found

    def begin(self, questions: Questions) -> Ints:
        """For each question, its entity's first fact."""
        found: Ints = np.searchsorted(self.place, questions.entity << self.bits, side="left")
        return found

    def owned(self, questions: Questions, index: Ints) -> Bools:
        """For each question, whether the fact at an index is there and is its entity's."""
        if not len(self.place):
            return np.zeros(len(index), np.bool_)
        found: Bools = (index >= 0) & (self.place[index] >> self.bits == questions.entity)
        return found

    def _rank(self, at: Ints, by_time: Ints) -> Ints:
        rank = np.empty(len(at), np.int64)
        rank[by_time] = np.searchsorted(self.known, at[by_time], side="left")
        return rank

    def column(self, measure: int) -> Column:
        """A measure of the facts, in their order."""
        if measure not in self._columns:
            self._columns[measure] = Column(self.measures.to_series(measure), self.rows)
        return self._columns[measure]


def lay_out(compiled: CompiledLookup, facts: pl.LazyFrame) -> Layout:
    """A source's rows as facts in order; see `facts.facts_of` for which rows count."""
    frame = _read(compiled, facts)
    versions = _versions(frame)
    if versions is not None:
        frame = frame[versions["row"]]
    codes, entities = _entities(frame)
    known = frame[KNOWN].to_numpy()
    order = None if _rising(known) else pl.Series(known).arg_sort().to_numpy().astype(np.int64)
    if order is not None:
        codes, known = codes[order], known[order]
    order = _ties_by_key(frame, codes, known, order)
    bits = len(known).bit_length()
    place = _placed(codes, bits)
    place.sort()
    rows = Rows(place, bits, order)
    until = None if versions is None else _until(versions.drop("row"))[rows.all]
    return Layout(frame.select(measure_names(compiled)), rows, place, known, until, entities)


def asked(compiled: CompiledLookup, layout: Layout, asks: pl.DataFrame) -> tuple[Ints, Bools]:
    """Each question's entity as its number in the layout, and whether it names one."""
    types = compiled.fact_types
    named = asks.select(part.alias(f"e{i}") for i, part in enumerate(parts(compiled.lookup.entity, types, cast=True)))
    codes = layout.entities.of(named)
    return np.where(codes < 0, layout.entities.count, codes), codes >= 0


def _read(compiled: CompiledLookup, facts: pl.LazyFrame) -> pl.DataFrame:
    """What names the rows that have a moment, that moment, and their measures."""
    withdrawn = RETRACTED in facts.collect_schema()
    raw = steady(facts.select(read_columns(compiled) + [RETRACTED] * withdrawn).collect(engine="streaming"))
    typed = zip(measure_names(compiled), compiled.measures, compiled.logical, compiled.physical, strict=True)
    measures = [stored(expr, logical, physical).alias(name) for name, expr, logical, physical in typed]
    entity = parts(compiled.lookup.fact_entity, [raw.schema[name] for name in compiled.lookup.fact_entity])
    named = [pl.when(~pl.col(RETRACTED)).then(part) if withdrawn else part for part in entity]
    frame = raw.select(
        *(part.alias(f"{_ENTITY}{i}") for i, part in enumerate(named)),
        *(pl.col(name).alias(f"{_KEY}{i}") for i, name in enumerate(compiled.lookup.source.keys)),
        known_at(compiled.lookup.source).alias(KNOWN),
        *measures,
    )
    return frame.drop_nulls(KNOWN) if frame[KNOWN].null_count() else frame


def _versions(frame: pl.DataFrame) -> pl.DataFrame | None:
    """Key, moment and row of each version of each fact, the last to arrive of equal ones; None without corrections."""
    columns = [name for name in frame.columns if name.startswith(_KEY)]
    named = parts(columns, [frame.schema[name] for name in columns])
    keys = frame.select(part.alias(f"k{i}") for i, part in enumerate(named))
    if _all_different(keys):
        return None
    versions = keys.with_columns(frame[KNOWN]).with_row_index("row")
    return versions.unique([*keys.columns, KNOWN], keep="last", maintain_order=True)


def _all_different(keys: pl.DataFrame) -> bool:
    """Whether no two rows have the same key; keys that only ever grow are told at a glance."""
    first = keys.to_series(0)
    plain = keys.width == 1 and first.dtype.is_integer() and not first.null_count()
    if plain and _rising(first.to_numpy(), strictly=True):
        return True
    return keys.n_unique() == keys.height


def _placed(codes: Ints, bits: int) -> Ints:
    """Each fact's entity above its number, for those that have an entity. The codes' own memory takes it, part by part:
    fresh memory for ten million facts costs more than what is computed."""
    if (codes < 0).any():
        return (codes[codes >= 0] << bits) | np.flatnonzero(codes >= 0)
    place = codes if codes.flags.writeable else codes.copy()
    for start in range(0, len(place), _BLOCK):
        part = place[start : start + _BLOCK]
        part <<= bits
        part |= np.arange(start, start + len(part))
    return place


def _overlapping(values: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Parts that fit the processor's cache, each with the first value of the next."""
    for start in range(0, max(len(values), 1), _BLOCK):
        yield start, values[start : start + _BLOCK + 1]


def _rising(values: npt.NDArray[Any], *, strictly: bool = False) -> bool:
    if strictly:
        return all(bool((part[1:] > part[:-1]).all()) for _, part in _overlapping(values))
    return all(bool((part[1:] >= part[:-1]).all()) for _, part in _overlapping(values))


def _by_size(values: Ints) -> Ints:
    """The order from least to greatest."""
    return np.arange(len(values)) if _rising(values) else np.argsort(values)


def _entities(frame: pl.DataFrame) -> tuple[Ints, Numbers]:
    columns = [name for name in frame.columns if name.startswith(_ENTITY)]
    named = frame.select(pl.col(name).alias(f"e{i}") for i, name in enumerate(columns))
    found = numbers(named)
    return found.of(named), found


def _ties_by_key(frame: pl.DataFrame, codes: Ints, known: Ints, order: Ints | None) -> Ints | None:
    """The order of time with an entity's facts of one moment in order of their keys' text, as the store has them."""
    same = np.concatenate([np.flatnonzero(part[1:] == part[:-1]) + start for start, part in _overlapping(known)])
    near = np.concatenate((same, same + 1))
    near.sort()
    near = near[np.diff(near, prepend=-1) > 0]
    near = near[codes[near] >= 0]
    if not len(near):
        return order
    close = pl.DataFrame({"code": codes[near], "known": known[near], "position": near})
    tied = close.filter(pl.struct("code", "known").is_duplicated())
    if tied.is_empty():
        return order
    order = np.arange(len(known)) if order is None else order
    row = pl.Series("row", order[tied["position"].to_numpy()])
    keys = [name for name in frame.columns if name.startswith(_KEY)]
    text = frame[row].select(spelled(keys, nulls=True).alias(KEY)).to_series()
    by_position = tied.sort("code", "known", "position")["position"].to_numpy()
    order[by_position] = tied.with_columns(row, text).sort("code", "known", KEY)["row"].to_numpy()
    return order


def _until(versions: pl.DataFrame) -> Ints:
    """For each row, when the next version of its key was known."""
    keys = [name for name in versions.columns if name != KNOWN]
    ordered = versions.with_row_index("row").sort(*keys, KNOWN)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in keys)
    inside = pl.int_range(pl.len()) < pl.len() - 1
    later = ordered.select("row", until=pl.when(same & inside).then(pl.col(KNOWN).shift(-1)).otherwise(FOREVER))
    found = np.empty(versions.height, np.int64)
    found[later["row"].to_numpy()] = later["until"].to_numpy()
    return found
