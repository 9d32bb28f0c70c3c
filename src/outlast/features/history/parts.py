"""A history larger than memory, a part of the entities at a time, by the same kernel.

A part holds the facts of its entities and every version of those facts, whoever else these name. The source is read for
each part, twice where facts may have been corrected, and nothing is written anywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from outlast.data.keys import rising
from outlast.engines import Engine
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import read_columns
from outlast.features.history.names import parts

LookUp = Callable[[CompiledLookup, pl.LazyFrame, pl.DataFrame, pl.Series], pl.DataFrame]
TAKES = 4
"""How many times the bytes of what is read of a source it takes to look things up in it, at the most."""
_SAMPLE = 10_000
_HASH = "__hash"


@dataclass(frozen=True, eq=False)
class Part:
    """The questions about one part of the entities."""

    number: int
    asks: pl.DataFrame
    at: pl.Series


def parts_needed(compiled: CompiledLookup, facts: pl.LazyFrame, engine: Engine) -> int:
    """In how many parts a history is looked at, so that each of them fits into memory."""
    rows = facts.select(pl.len()).collect(engine="streaming").item()
    if rows <= _SAMPLE:
        return 1
    schema, read = facts.collect_schema(), read_columns(compiled)
    plain = [name for name in read if schema[name].is_numeric() or schema[name].is_temporal()]
    few = facts.select(name for name in read if name not in plain).head(_SAMPLE).collect()
    each = few.estimated_size() / max(few.height, 1) + 8 * (len(plain) + len(compiled.measures)) + 16
    return max(1, -(-int(rows * each * TAKES) // engine.memory))


def divided(compiled: CompiledLookup, facts: pl.LazyFrame, engine: Engine) -> Iterator[pl.LazyFrame]:
    """A history in as many parts as needed, each entity's facts in one of them."""
    count = parts_needed(compiled, facts, engine)
    if count == 1:
        yield facts
        return
    count, corrected = _divided_into(compiled, facts, count)
    for number in range(count):
        yield facts_of_part(compiled, facts, (number, count), corrected=corrected)


def _divided_into(compiled: CompiledLookup, facts: pl.LazyFrame, count: int) -> tuple[int, bool]:
    """How many parts there are, and whether facts may have been corrected: to find versions takes as much again."""
    corrected = not rising(facts, compiled.lookup.source.keys)
    return (count * 2 if corrected else count), corrected


def in_parts(
    compiled: CompiledLookup, facts: pl.LazyFrame, asks: pl.DataFrame, at: pl.Series,
    how: tuple[LookUp, int, Engine],
) -> pl.DataFrame:  # fmt: skip
    """What the kernel gives, part by part, in the order of the asks."""
    kernel, count, engine = how
    count, corrected = _divided_into(compiled, facts, count)
    owner = asks.select(_owner(compiled.lookup.entity, compiled.fact_types, count, cast=True)).to_series().to_numpy()
    places = [np.flatnonzero(owner == number) for number in range(count)]
    wanted = [Part(number, asks[where], at[where]) for number, where in enumerate(places) if len(where)]
    if not wanted:
        return kernel(compiled, facts.head(0), asks, at)
    found = engine.whole(partial(_answer, compiled, facts, (kernel, count, corrected)), wanted)
    back = np.empty(asks.height, np.int64)
    back[np.concatenate([where for where in places if len(where)])] = np.arange(asks.height)
    return pl.concat(found).select(pl.all().gather(pl.Series(back)))


def _answer(compiled: CompiledLookup, facts: pl.LazyFrame, how: tuple[LookUp, int, bool], part: Part) -> pl.DataFrame:
    kernel, count, corrected = how
    mine = facts_of_part(compiled, facts, (part.number, count), corrected=corrected)
    return kernel(compiled, mine, part.asks, part.at)


def facts_of_part(
    compiled: CompiledLookup, facts: pl.LazyFrame, part: tuple[int, int], *, corrected: bool
) -> pl.LazyFrame:
    """The facts of one part's entities, with all versions of them; two keys of one hash only bring a row too many."""
    number, count = part
    mine = _owner(compiled.lookup.fact_entity, compiled.fact_types, count) == number
    if not corrected:
        return facts.filter(mine)
    schema, names = facts.collect_schema(), compiled.lookup.source.keys
    key = _hash(names, [schema[name] for name in names]).alias(_HASH)
    keys = facts.filter(mine).select(key).unique().collect(engine="streaming")
    return facts.with_columns(key).join(keys.lazy(), on=_HASH, how="semi", maintain_order="left").drop(_HASH)


def _owner(columns: Sequence[str], types: Sequence[pl.DataType], count: int, *, cast: bool = False) -> pl.Expr:
    """The part that an entity belongs to; one without a name belongs anywhere."""
    return _hash(columns, types, cast=cast) % count


def _hash(columns: Sequence[str], types: Sequence[pl.DataType], *, cast: bool = False) -> pl.Expr:
    """A number of what columns name together, the same for the same name."""
    hashes = [part.hash(place) for place, part in enumerate(parts(columns, types, cast=cast))]
    return pl.sum_horizontal(one // len(hashes) for one in hashes)
