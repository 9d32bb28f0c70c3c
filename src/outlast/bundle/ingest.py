"""Facts on their way in: decoded by their source's schema, and written to the store of fresh values."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Protocol

import polars as pl

from outlast.bundle.requests import MISSING, converters, kind_of
from outlast.data.schema import Schema, types
from outlast.engines import Engine, Local
from outlast.errors import DataError, RequestError, nearest
from outlast.features.compiled import CompiledLookup
from outlast.features.facts import ENTITY, KEY, KNOWN, RETRACTED, UNTIL, facts_of, instants, known_at, superseded
from outlast.features.history.parts import divided
from outlast.features.online import kept, to_store
from outlast.storage.fresh import FreshStore
from outlast.types import micros, span, utc

_HERE = Local()
MARGIN = timedelta(days=2)
"""How much longer than its reach a lookup's facts are kept, for questions that are asked late."""
MARK = "retracted"
"""What a caller writes in a row that withdraws the fact with its key."""
AHEAD = timedelta(days=1)
"""How far ahead of our clock a fact may be dated, since clocks and time zones differ."""


def decode_facts(
    name: str, schema: Schema, required: Sequence[str], rows: Sequence[Mapping[str, Any]], *, mark: str = MARK
) -> pl.DataFrame:
    """Rows as callers send them, as a frame of the source's types.

    A row with `mark` withdraws the fact with its key; a source's own column of that name is a column like others.
    """
    convert = converters(schema.fields)
    columns: dict[str, list[Any]] = {column: [] for column in convert}
    withdrawn: list[bool] = []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RequestError(f"Fact {index} of '{name}' is not an object of fields", details={"row": index})
        withdrawn.append(_marked(name, row, index, (mark, convert, required)))
        if not withdrawn[-1]:
            _no_misspelling(f"Fact {index} of '{name}'", row, (convert, {mark, *required}), {"row": index})
        for column, (to, expected) in convert.items():
            given = row.get(column)
            value = None if given is None else to(given)
            if value is MISSING or (value is None and column in required):
                says = f"is missing{_hint(row, convert)}" if given is None else f"is {kind_of(given)}"
                raise RequestError(
                    f"Fact {index} of '{name}', field '{column}' {says}: expected {expected}",
                    details={"row": index, "field": column},
                )
            columns[column].append(value)
    told = pl.DataFrame([_column(name, columns[name], dtype) for name, dtype in types(schema).items()])
    return _withdrawn(told, pl.Series(RETRACTED, withdrawn, dtype=pl.Boolean))


def _column(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    """A column of values; of moments by their numbers, which takes Polars a tenth of the time."""
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us":
        return pl.Series(name, [None if one is None else micros(one) for one in values], pl.Int64).cast(dtype)
    return pl.Series(name, values, dtype)


def _no_misspelling(
    what: str, given: Collection[Any], known: tuple[Iterable[str], Collection[str]], place: dict[str, Any]
) -> None:
    """Refuse a field that is not known and reads like one that is not given: its value would be null without a word."""
    columns, others = known
    unknown = [str(name) for name in set(given).difference(columns) if name not in others]
    if not unknown:
        return
    for column in columns:
        alike = [] if column in given or column in others else get_close_matches(column, unknown, 1, 0.75)
        if alike:
            raise RequestError(
                f"{what} has a field '{alike[0][:60]}' and none of the name '{column}': write it '{column}', or give "
                f"'{column}' as null too if both are meant",
                details={**place, "field": alike[0][:60]},
            )


def _marked(name: str, row: Mapping[str, Any], index: int, how: tuple[str, Mapping[str, Any], Sequence[str]]) -> bool:
    """Whether a row withdraws a fact; a doubt is an error, since the two readings are each other's contrary."""
    mark, known, required = how
    given = row.get(mark)
    if given is None or (mark in known and (given is not True or not set(row) <= {mark, *required} < set(known))):
        return False
    place = {"row": index, "field": mark}
    if mark in known:
        raise RequestError(
            f"Fact {index} of '{name}' has its key, its moment and '{mark}', which is a column of this source: give "
            f"its other columns too, or withdraw the fact with `outlast push {name} FILE --retract`",
            details=place,
        )
    if not isinstance(given, bool):
        says = f"is {kind_of(given)}: expected true, which withdraws the fact with this key, or false"
        raise RequestError(f"Fact {index} of '{name}', field '{mark}' {says}", details=place)
    return given


def _withdrawn(frame: pl.DataFrame, mark: pl.Series) -> pl.DataFrame:
    return frame.with_columns(mark.alias(RETRACTED)) if mark.any() else frame


def withdrawals(frame: pl.DataFrame, required: Sequence[str], *, every: bool = False) -> pl.DataFrame:
    """Facts of which the withdrawn, or `every` one, keep only what names and dates them."""
    if every:
        frame = frame.with_columns(pl.lit(True).alias(RETRACTED))
    if RETRACTED not in frame.columns:
        return frame
    said = [name for name in frame.columns if name not in {RETRACTED, *required}]
    return frame.with_columns(pl.when(~pl.col(RETRACTED)).then(pl.col(said)) if said else [])


def _hint(row: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    unknown = next((str(name)[:60] for name in row if name not in known and name != MARK), None)
    return "" if unknown is None else f" ('{unknown}' is not a field: {nearest(unknown, known)})"


def fit_schema(name: str, schema: Schema, frame: pl.DataFrame, required: Sequence[str]) -> pl.DataFrame:
    """A file's rows with the columns and types that the source had in training."""
    wanted = types(schema)
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise DataError(f"The facts for '{name}' have no column '{missing[0]}': expected {', '.join(wanted)}")
    _no_misspelling(f"The file of facts for '{name}'", frame.columns, (wanted, {MARK, *required}), {})
    _lose_nothing(name, wanted, frame)
    present = [pl.col(column).cast(dtype) for column, dtype in wanted.items() if column in frame.columns]
    absent = [pl.lit(None, dtype).alias(column) for column, dtype in wanted.items() if column not in frame.columns]
    try:
        fitted = frame.select(*present, *absent).select(list(wanted))
    except pl.exceptions.PolarsError as error:
        said = str(error).partition("\n")[0]
        raise DataError(f"The facts for '{name}' do not have the types of training: {said}") from None
    holes = [column for column in required if fitted[column].null_count()]
    if holes:
        raise DataError(f"The facts for '{name}' have rows without '{holes[0]}', which names or dates a fact")
    return _withdrawn(fitted, _marks(name, frame, wanted))


def _marks(name: str, frame: pl.DataFrame, wanted: Mapping[str, pl.DataType]) -> pl.Series:
    """Which of a file's rows withdraw a fact."""
    if MARK in wanted or MARK not in frame.columns:
        return pl.Series(dtype=pl.Boolean)
    given = frame[MARK]
    if given.dtype not in (pl.Boolean, pl.Null):
        raise DataError(
            f"The facts for '{name}' have a column '{MARK}' of {given.dtype}: expected true, which withdraws the fact "
            "with this key, or false"
        )
    return given.cast(pl.Boolean).fill_null(False)


def not_ahead(name: str, frame: pl.DataFrame, time: str | None, *, at: datetime) -> None:
    """Refuse facts dated further ahead than clocks differ: nothing sees them for long, and they hide a feed's end."""
    limit = micros(at + AHEAD)
    if time is None or (frame.select(instants(time).max()).item() or limit) <= limit:
        return
    late = frame.select(pl.int_range(pl.len()), pl.col(time).cast(pl.String), instants(time).alias(KNOWN))
    row, given, _ = late.filter(pl.col(KNOWN) > limit).row(0)
    raise RequestError(
        f"Fact {row} of '{name}', field '{time}' is {given}, which is still to come: expected a moment "
        f"until now, {utc(at):%Y-%m-%d %H:%M} UTC, or {span(AHEAD)} ahead of it at most",
        details={"row": row, "field": time},
    )


def _lose_nothing(name: str, wanted: Mapping[str, pl.DataType], frame: pl.DataFrame) -> None:
    """A cast from 3.7 to whole numbers would give 3 without a word."""
    for column, dtype in wanted.items():
        if dtype.is_integer() and column in frame.columns and frame[column].dtype.is_float():
            odd = frame[column].filter(frame[column] != frame[column].round())
            if len(odd):
                raise DataError(
                    f"The facts for '{name}' do not have the types of training: column '{column}' holds {odd[0]}, "
                    f"expected whole numbers ({dtype})"
                )


def update(store: FreshStore, lookups: Iterable[CompiledLookup], frame: pl.DataFrame) -> list[str]:
    """Write new facts for every lookup that reads their source, in one transaction; the digests that took them."""
    distinct = {lookup.digest: lookup for lookup in lookups}
    # Computed before anything is locked: other processes write to the same store.
    store.ingest_many([(digest, to_store(lookup, frame)) for digest, lookup in distinct.items()])
    return list(distinct)


class Watcher(Protocol):
    """Somebody who is told how far a fill is, in facts of a source."""

    def total(self, rows: int | None, of: str = "rows") -> None:
        """So many are to come, from here on; None while they are still counted."""

    def advance(self, rows: int) -> None: ...


def fill(
    store: FreshStore,
    lookup: CompiledLookup,
    history: pl.LazyFrame,
    *,
    now: datetime,
    watcher: Watcher | None = None,
    engine: Engine = _HERE,
) -> int:
    """Bring a lookup's fresh values up to its source's history: what a question asked from now on can still need.

    Time is counted from the newest fact that is known by now, so that a source that stands still loses nothing, and
    one fact dated years ahead does not push out the others. What the store holds already may be older than some
    corrections, if nobody read it for a while: it is right afterwards.
    """
    name = lookup.lookup.source.name
    if watcher is not None:
        watcher.total(None, name)
    count = 0
    for needed in _needed(lookup, history, now, engine):
        count += needed.height
        if watcher is not None:
            watcher.total(needed.height, name)
        for part in needed.iter_slices(store.at_once):
            store.ingest(lookup.digest, kept(lookup, part))
            if watcher is not None:
                watcher.advance(part.height)
    return count


def _needed(lookup: CompiledLookup, history: pl.LazyFrame, now: datetime, engine: Engine) -> Iterator[pl.DataFrame]:
    """The facts of a history that a question asked from now on can need; a long history is not held as a whole."""
    known = known_at(lookup.lookup.source)
    newest = history.select(known.filter(known <= micros(now)).max()).collect(engine="streaming").item()
    if newest is None:
        yield facts_of(lookup, history)
        return
    since = newest - _us(oldest_needed(lookup))
    if lookup.reach is not None:
        yield facts_of(lookup, history.filter(known >= since))
        return
    for part in divided(lookup, history, engine):
        yield _not_yet_replaced(facts_of(lookup, part), since, lookup.rows)


def oldest_needed(lookup: CompiledLookup) -> timedelta:
    """How long before its newest fact a lookup may need every fact; before that only each entity's newest, if any."""
    return (lookup.reach or lookup.widest) + MARGIN


def _not_yet_replaced(facts: pl.DataFrame, since: int, rows: int) -> pl.DataFrame:
    """What is among the newest facts of an entity at some moment from `since` on, and what replaced it.

    And the newest version of every fact that was corrected, so that none of its earlier ones counts that is there.
    """
    marked = superseded(facts)
    early = marked.filter(pl.col(KNOWN) < since)
    current = early.filter(pl.col(UNTIL).is_null())
    lasting = current.group_by(ENTITY, maintain_order=True).tail(rows).select(marked.columns)
    corrected = current.join(early.filter(pl.col(UNTIL).is_not_null()), on=KEY, how="semi", nulls_equal=True)
    replaced = early.filter(pl.col(UNTIL) >= since)
    return pl.concat([lasting, corrected, replaced, marked.filter(pl.col(KNOWN) >= since)]).unique(
        [KEY, KNOWN], maintain_order=True
    )


def _us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
