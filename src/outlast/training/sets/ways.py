"""The two ways to an example's values: over the whole history, as training goes, and from fresh values, as a server."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from outlast.bundle.ingest import decode_facts, update, withdrawals
from outlast.bundle.requests import MISSING, converters, kind_of
from outlast.data.schema import Field, Schema, dtype_name, types
from outlast.errors import FeatureError
from outlast.features.calling import with_functions
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.entities import require_comparable, speller
from outlast.features.facts import ENTITY, KEY, KNOWN, facts_of, measure_names, superseded
from outlast.features.offline import look_up
from outlast.features.online import frame_of, read_all, reader
from outlast.project.declare import Features, Source
from outlast.storage.fresh import FreshStore
from outlast.training.explain import Behind, facts_behind
from outlast.training.sets.example import Example
from outlast.types import duration, micros

MOMENTS = 64
_MICROSECOND = timedelta(microseconds=1)
Sourced = Mapping[str, tuple[Source, Schema]]


class Ways:
    """A set made ready to compute: its lookups with types, and the types of what is asked."""

    def __init__(self, shared: Features, sources: Sourced, asks: Mapping[str, pl.DataType]) -> None:
        self.shared, self.sources = shared, sources
        self.lookups = [compile_lookup(one, types(sources[one.source.name][1])) for one in shared.lookups]
        self.asks = pl.Schema(asks)
        for compiled in self.lookups:
            require_comparable(compiled, self.asks)
        looked_up = [(name, dtype) for one in self.lookups for name, dtype in one.schema.items()]
        self.schema = pl.Schema({**asks, **dict(looked_up)})
        if len(self.schema) != len(asks) + len(looked_up):
            names = [*asks, *(name for name, _ in looked_up)]
            twice = next(name for name in names if names.count(name) > 1)
            raise FeatureError(f"Set '{shared.name}' has two columns named '{twice}': name one of them otherwise")

    def facts(self, example: Example) -> dict[str, pl.DataFrame]:
        """The example's facts by source, decoded as those that are pushed."""
        found = {}
        for name, (source, schema) in self.sources.items():
            required = [*source.keys, *([source.time] if source.time else [])]
            frame = decode_facts(name, schema, required, example.facts.get(name, []))
            found[name] = withdrawals(frame, required)
        return found

    def asked(self, example: Example) -> list[Any]:
        """What the example asks, decoded as a request's row."""
        convert = converters([Field(name, dtype_name(dtype)) for name, dtype in self.asks.items()])
        values = []
        for name, (to, expected) in convert.items():
            given = example.asks.get(name)
            value = None if given is None else to(given)
            if value is MISSING:
                raise FeatureError(
                    f"Example {example.number} of set '{self.shared.name}' asks '{name}' as {kind_of(given)}: "
                    f"expected {expected}"
                )
            values.append(value)
        return values

    def moments(self, example: Example, facts: Mapping[str, pl.DataFrame]) -> list[int]:
        """The example's own moment, and those at which a fact begins or ceases to count: there the two ways part."""
        found = {micros(example.at): None}
        for compiled in self.lookups:
            these = facts_of(compiled, facts[compiled.lookup.source.name].lazy())
            marks = [KNOWN, *([] if compiled.event is None else [measure_names(compiled)[compiled.event]])]
            known = [at for mark in marks for at in these[mark].drop_nulls().unique().sort().to_list()]
            spans = [timedelta(0), *(duration(width) for width in compiled.lookup.widths)]
            spans += [] if compiled.lookup.max_age is None else [duration(compiled.lookup.max_age)]
            for span in spans:
                edges = [at + span // _MICROSECOND for at in known]
                found.update(dict.fromkeys(moment for at in edges for moment in (at, at + 1)))
        return list(found)[:MOMENTS]

    def offline(self, asked: list[Any], facts: Mapping[str, pl.DataFrame], moments: Sequence[int]) -> pl.DataFrame:
        """What functions see of one example at some moments, over the whole of its facts."""
        base = frame_of(self.asks, [asked for _ in moments])
        at = pl.Series(moments, dtype=pl.Int64)
        found = [look_up(one, facts[one.lookup.source.name].lazy(), base, at) for one in self.lookups]
        return pl.concat([base, *found], how="horizontal")

    def online(
        self, store: FreshStore, asked: list[Any], facts: Mapping[str, pl.DataFrame], moments: Sequence[int]
    ) -> pl.DataFrame:
        """The same, from a store of fresh values that has just been given the facts."""
        for name, frame in facts.items():
            update(store, [one for one in self.lookups if one.lookup.source.name == name], frame)
        readers = [reader(one, store) for one in self.lookups]
        named = [self.entity(one, asked) for one in self.lookups]
        rows = []
        for at in moments:
            found = read_all(store, [(read, entity, at) for read, entity in zip(readers, named, strict=True)])
            rows.append([*asked, *(value for values in found for value in values)])
        return frame_of(self.schema, rows)

    def complete(self, known: pl.DataFrame) -> pl.DataFrame:
        """The columns of functions beside what they see."""
        return with_functions(self.shared.functions, known)

    def entity(self, compiled: CompiledLookup, asked: list[Any]) -> str | None:
        """The text that names the entity of a lookup."""
        places = {name: place for place, name in enumerate(self.asks)}
        return speller(compiled, self.asks, places)(asked)

    def behind(self, column: str, asked: list[Any], facts: Mapping[str, pl.DataFrame], at: int) -> list[Behind]:
        """The facts behind a column that is looked up, and which of them counted."""
        for compiled in self.lookups:
            if column in compiled.lookup.names:
                every = superseded(facts_of(compiled, facts[compiled.lookup.source.name].lazy()))
                entity = self.entity(compiled, asked)
                mine = every.head(0) if entity is None else every.filter(pl.col(ENTITY) == entity)
                return facts_behind(compiled, mine.sort(KNOWN, KEY, descending=True), at)
        return []
