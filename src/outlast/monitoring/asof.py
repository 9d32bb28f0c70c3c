"""Looking facts up again for questions that were answered: by all that is known today, or by what had come in by then.

Only the facts of the entities in question are read, within the lookups' reach, and each once. What a question saw when
it was answered is then one more part of the name of its entity and of its facts, so that any number of questions, each
with facts of its own, are looked up at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from outlast.bundle.frames import LookUp
from outlast.bundle.ingest import AHEAD
from outlast.data.sources import reading
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import ENTITY, KEY, KNOWN, RETRACTED, known_at, read_columns, spelled
from outlast.features.offline import look_up
from outlast.journal.history import ARRIVED
from outlast.journal.sources import Sources
from outlast.project.declare import Source
from outlast.types import moment

AT_ONCE = 2_000_000
"""Facts of questions that are laid out at a time, and with them how much memory that takes."""
NEAR = 60_000_000
"""Microseconds by which the clocks that dated an answer and a fact may differ, or one have waited for the other."""
TRIED = 8
"""States of a feed that are tried beside the one that the clocks tell, of each kind, for one answer."""
_MICROSECOND = timedelta(microseconds=1)
_QUESTION, _AT, _SEEN, _HELD = "__question", "__at", "__seen", "__held"


@dataclass(frozen=True)
class Seen:
    """What a question may have seen: the facts that came in by a moment, and of those that lie at a source's location
    the ones known by another, when fresh values were filled from it; all of them where that is None."""

    question: int
    arrived: int
    held: int | None = None


class AsOf:
    """The facts that some questions can have seen, and the questions answered from them."""

    def __init__(self, sources: Sources, lookups: Sequence[CompiledLookup], hold: Callable[[], None]) -> None:
        self._sources, self._lookups, self._hold = sources, lookups, hold
        self._facts: list[pl.DataFrame] = []
        self._entities: list[pl.Series] = []
        self.weights: list[int] = []
        """Facts that each question's entities have."""

    def today(self, asks: pl.DataFrame, at: pl.Series) -> list[pl.DataFrame]:
        """The columns of each lookup by everything that is known today; the questions themselves are kept."""
        found = []
        weights = pl.zeros(asks.height, pl.UInt32, eager=True)
        for lookup in self._lookups:
            self._hold()
            facts, entities = self._gather(lookup, asks, at), _entities(lookup, asks)
            self._facts.append(facts)
            self._entities.append(entities)
            of = facts.group_by(ENTITY).len()
            own = entities.to_frame().join(of, on=ENTITY, how="left", maintain_order="left")
            weights = weights + own["len"].fill_null(0)
            found.append(look_up(lookup, facts.lazy(), asks, at))
        self.weights = weights.to_list()
        return found

    def then(self, seen: Sequence[Seen]) -> LookUp:
        """A way to look up, for rows that are the questions of `seen` in its order, by what each of those saw."""

        def find(asks: pl.DataFrame, at: pl.Series) -> list[pl.DataFrame]:
            # a single row comes twice, see `features.steady`
            each = [seen[index % len(seen)] for index in range(asks.height)]
            table = asks.with_columns(
                at.alias(_AT),
                pl.Series(_SEEN, [one.arrived for one in each], dtype=pl.Int64),
                pl.Series(_HELD, [one.held for one in each], dtype=pl.Int64),
            )
            parts = self._parts([one.question for one in each])
            return [
                pl.concat(self._of(index, table[start:end]) for start, end in parts)
                for index in range(len(self._lookups))
            ]

        return find

    def others(self, question: int, at: int, seen: Seen) -> list[Seen]:
        """Other states of the feeds that a question may have seen.

        Facts that came in within a minute of the answer may or may not have been there; and nothing says when rows
        at a source's location were filled from, if it was not at a promotion.
        """
        near, lying = pl.Series(dtype=pl.Int64), pl.Series(dtype=pl.Int64)
        since = pl.lit(seen.held, pl.Int64)
        for facts, entities in zip(self._facts, self._entities, strict=True):
            own = facts.filter((pl.col(ENTITY) == entities[question]) & (pl.col(KNOWN) < at))
            near = near.append(own.filter((pl.col(ARRIVED) - seen.arrived).abs() <= NEAR)[ARRIVED])
            lying = lying.append(own.filter(pl.col(ARRIVED).is_null() & (pl.col(KNOWN) > since).fill_null(True))[KNOWN])
        both = {one + way for one in near.to_list() for way in (-1, 0)}
        moments = sorted(both, key=lambda one: (abs(one - seen.arrived), one))
        fills = sorted(set(lying.to_list()), reverse=True)
        return [
            *(Seen(question, one, held) for one in moments[:TRIED] for held in dict.fromkeys((None, seen.held))),
            *(Seen(question, seen.arrived, one - 1) for one in fills[:TRIED]),
        ]

    def _gather(self, lookup: CompiledLookup, asks: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
        """Every version of every fact that, in one of its versions, is about one of the entities in question."""
        source = self._sources.named(lookup.lookup.source.name)
        first, last = int(at.min() or 0), int(at.max() or 0)  # type: ignore[arg-type]
        reach = lookup.reach
        known = pl.col(KNOWN) < last
        if reach is not None:
            known &= pl.col(KNOWN) >= first - reach // _MICROSECOND
        begin = None if reach is None else moment(first) - reach - source.delay
        asked = _entities(lookup, asks).to_frame().drop_nulls().unique().lazy()
        with reading(source):
            rows = self._sources.dated(source, since=None if begin is None else begin - AHEAD)
            schema = rows.collect_schema()
            marked = [RETRACTED] if RETRACTED in schema else []
            named = (
                rows.filter(_not_before(source, schema, begin))
                .select(
                    *read_columns(lookup),
                    *marked,
                    ARRIVED,
                    spelled(lookup.lookup.fact_entity).alias(ENTITY),
                    spelled(source.keys, nulls=True).alias(KEY),
                    known_at(source).alias(KNOWN),
                )
                .filter(known)
            )
            keys = named.join(asked, on=ENTITY, how="semi").select(pl.col(KEY).unique()).collect(engine="streaming")
            return named.join(keys.lazy(), on=KEY, how="semi", maintain_order="left").collect()

    def _parts(self, questions: Sequence[int]) -> list[tuple[int, int]]:
        """Runs of questions whose facts together are not too many."""
        starts, total = [0], 0
        for index, question in enumerate(questions):
            total += self.weights[question]
            if total > AT_ONCE and index > starts[-1]:
                starts.append(index)
                total = self.weights[question]
        return list(zip(starts, [*starts[1:], len(questions)], strict=True))

    def _of(self, index: int, asks: pl.DataFrame) -> pl.DataFrame:
        """One lookup's columns for some questions, each by the facts that it saw."""
        self._hold()
        lookup, facts = self._lookups[index], self._facts[index]
        asks = asks.with_row_index(_QUESTION).with_columns(pl.col(_QUESTION).cast(pl.Int64))
        who = asks.select(_QUESTION, _AT, _SEEN, _HELD, _entities(lookup, asks)).lazy()
        about = who.join(facts.lazy().select(ENTITY, KEY).unique(), on=ENTITY).select(_QUESTION, KEY).unique()
        came = pl.when(pl.col(ARRIVED).is_null()).then(pl.col(_HELD).is_null() | (pl.col(KNOWN) <= pl.col(_HELD)))
        condition = (pl.col(KNOWN) < pl.col(_AT)) & came.otherwise(pl.col(ARRIVED) <= pl.col(_SEEN))
        if lookup.reach is not None:
            condition &= pl.col(KNOWN) >= pl.col(_AT) - lookup.reach // _MICROSECOND
        rows = (
            facts.lazy()
            .join(about, on=KEY, maintain_order="left")
            .join(who.drop(ENTITY), on=_QUESTION, maintain_order="left")
            .filter(condition)
            .collect()
        )
        return look_up(_by_question(lookup), rows.lazy(), asks, asks[_AT])


def _not_before(source: Source, schema: pl.Schema, since: datetime | None) -> pl.Expr:
    """Rows of a moment or later, said of the column as it lies there, so that a file knows which parts to pass over."""
    assert source.time is not None, "facts have a time"
    dtype = schema[source.time]
    if since is None or not isinstance(dtype, pl.Datetime) or dtype.time_zone not in (None, "UTC"):
        return pl.lit(True)
    zoned = since if dtype.time_zone else since.replace(tzinfo=None)
    return pl.col(source.time) >= pl.lit(zoned).cast(dtype)


def _entities(lookup: CompiledLookup, asks: pl.DataFrame) -> pl.Series:
    return asks.select(spelled(lookup.lookup.entity, types=lookup.fact_types).alias(ENTITY)).to_series()


def _by_question(lookup: CompiledLookup) -> CompiledLookup:
    """The same lookup over facts that belong to one question each."""
    declared = lookup.lookup
    source = replace(declared.source, key=(_QUESTION, *declared.source.keys))
    by = ((_QUESTION, _QUESTION), *declared.by)
    return replace(lookup, lookup=replace(declared, source=source, by=by), fact_types=(pl.Int64(), *lookup.fact_types))
