"""Lookups for a few questions now, from the store of fresh values, by the same arithmetic as the history's."""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
import polars as pl

from outlast.features.aggregate import aggregation, general_value
from outlast.features.compiled import CompiledLookup, Output, derived_columns, general_frame
from outlast.features.facts import ENTITY, KEY, KNOWN, facts_of, measure_names, spelled
from outlast.features.held import FEW, Decode, Held, Plan
from outlast.storage.fresh import Fact, FreshStore, Grown, Latest, Request, Since

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_MICROSECOND = timedelta(microseconds=1)
_MOST = 500_000
"""Facts of one lookup kept in memory, of the entities that were asked for last: some 100 MB."""
EVER = -(2**63)
"""Since always: before any moment."""
NOBODY = "\x00"
"""Whose a fact without an entity is in the store: no question asks for it."""


def to_store(compiled: CompiledLookup, frame: pl.DataFrame | pl.LazyFrame) -> list[Fact]:
    """A source's rows as the facts that the store of fresh values keeps for a lookup."""
    return kept(compiled, facts_of(compiled, frame))


def kept(compiled: CompiledLookup, facts: pl.DataFrame) -> list[Fact]:
    """Facts in the form that the store keeps; one without an entity is kept for the versions that it replaces."""
    columns = [facts[name].to_list() for name in measure_names(compiled)]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(facts.height))
    return [
        Fact(entity=NOBODY if entity is None else entity, key=key, known=known, values=_encode(row))
        for entity, key, known, row in zip(
            facts[ENTITY].to_list(), facts[KEY].to_list(), facts[KNOWN].to_list(), rows, strict=True
        )
    ]


def entities_of(compiled: CompiledLookup, asks: pl.DataFrame) -> list[str | None]:
    """The text that names each question's entity, None where it names none."""
    return asks.select(spelled(compiled.lookup.entity, types=compiled.fact_types).alias(ENTITY))[ENTITY].to_list()


def reader(compiled: CompiledLookup, store: FreshStore) -> "Reader":
    """From (entity, moment) to the lookup's values in their stored form, made once per version."""
    if compiled.event is not None:
        return _EventReader(compiled, compiled.event, store)
    return _LatestReader(compiled, store) if compiled.lookup.kind == "latest" else _WindowReader(compiled, store)


def read_all(store: FreshStore, asked: Sequence[tuple["Reader", str | None, int]]) -> list[list[Any]]:
    """What each reader finds for its entity and moment, all in one trip to the store."""
    requests = [one.ask(entity, at) for one, entity, at in asked]
    found = iter(store.read_many([request for request in requests if request is not None]))
    return [
        one.nothing if request is None else one.take(request, at, next(found))
        for request, (one, _, at) in zip(requests, asked, strict=True)
    ]


def frame_of(schema: Mapping[str, pl.DataType], rows: Iterable[Iterable[Any]]) -> pl.DataFrame:
    """Rows of plain values, asked or read, as one frame; a whole number in a column of moments is its stored form."""
    return pl.from_dicts([dict(zip(schema, row, strict=True)) for row in rows], schema=schema)


class Reader(ABC):
    """Asks the store what a lookup needs, and makes values of what is found."""

    def __init__(self, compiled: CompiledLookup, store: FreshStore) -> None:
        self._digest, self._store = compiled.digest, store
        self.nothing: list[Any] = [None] * len(compiled.outputs)
        """The values where no entity is named."""

    def __call__(self, entity: str | None, at: int) -> list[Any]:
        """The values of an entity at a moment."""
        return read_all(self._store, [(self, entity, at)])[0]

    def ask(self, entity: str | None, at: int) -> Request | None:
        """What to ask the store; nothing without an entity."""
        return None if entity is None or entity == NOBODY else self._asked(entity, at)

    @abstractmethod
    def _asked(self, entity: str, at: int) -> Request: ...

    @abstractmethod
    def take(self, asked: Request, at: int, found: Any) -> list[Any]:
        """The values, of what the store found."""


class _LatestReader(Reader):
    def __init__(self, compiled: CompiledLookup, store: FreshStore) -> None:
        super().__init__(compiled, store)
        self._order = [output.measure for output in compiled.outputs]
        self._age = None if compiled.reach is None else compiled.reach // _MICROSECOND

    def _asked(self, entity: str, at: int) -> Latest:
        return Latest(self._digest, entity, at, None if self._age is None else at - self._age)

    def take(self, asked: Request, at: int, found: Any) -> list[Any]:
        if found is None:
            return self.nothing
        values = _decode(found[2])
        return [values[index] for index in self._order]


class _WindowReader(Reader):
    """Keeps the facts of entities with many of them in memory, and asks the store for what came since.

    The store's mark says whether facts only came after those kept. Where anything else changed, all are read again.
    """

    def __init__(self, compiled: CompiledLookup, store: FreshStore) -> None:
        super().__init__(compiled, store)
        self._reach, self._least = compiled.widest // _MICROSECOND, max(compiled.lookup.lasts, default=0)
        self._plans = [_plan(compiled, output) for output in compiled.outputs]
        self._rows = _decoder(compiled)
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._facts = 0
        self._lock = threading.Lock()

    def _asked(self, entity: str, at: int) -> Since:
        with self._lock:
            held = self._held.get(entity)
            if held is not None and self._covers(held, at) and self._is_lean(held, at):
                self._held.move_to_end(entity)
                return Since(self._digest, entity, *held.last, at)
        return self._whole(entity, at)

    def take(self, asked: Request, at: int, found: Grown) -> list[Any]:
        assert isinstance(asked, Since)
        if asked.key is None:
            return self._begun(asked, at, found)
        with self._lock:
            held = self._held.get(asked.entity)
            if held is not None and held.mark == found.mark:
                before = len(held.known)
                held.grow(found.facts)
                self._facts += len(held.known) - before
                if self._covers(held, at):
                    return held.values(self._plans, at)
        whole = self._whole(asked.entity, at)
        return self._begun(whole, at, self._store.read_many([whole])[0])

    def _begun(self, asked: Since, at: int, found: Grown) -> list[Any]:
        """The values of all facts as they were read, which are kept when there are many."""
        since = min(asked.known, found.facts[0].known) if found.facts else asked.known
        held = Held(since, found.mark, self._rows).grow(found.facts)
        if held.settled >= at:
            alive = [one._replace(superseded=None) for one in found.facts if (one.superseded or at) >= at]
            return Held(since, found.mark, self._rows).grow(alive).values(self._plans, at, once=True)
        if len(held.known) < self._least:
            held.since = EVER  # nothing was left to be read
        values = held.values(self._plans, at, once=True)
        if FEW < len(held.known) < _MOST:
            self._keep(asked.entity, held)
        return values

    def _keep(self, entity: str, held: Held) -> None:
        with self._lock:
            other = self._held.get(entity)
            if other is not None and other.mark == held.mark and other.since > held.since:
                return  # a question about the past: those about now come again
            self._held.pop(entity, None)
            self._facts += len(held.known) - (0 if other is None else len(other.known))
            self._held[entity] = held
            while self._facts > _MOST:
                _, oldest = self._held.popitem(last=False)
                self._facts -= len(oldest.known)

    def _covers(self, held: Held, at: int) -> bool:
        """Whether the facts are those of every window before a moment."""
        if held.settled >= at or held.since > at - self._reach:
            return False
        return not self._least or held.since == EVER or held.before(at) >= self._least

    def _is_lean(self, held: Held, at: int) -> bool:
        """Whether hardly more facts are held than what is asked about them needs."""
        return at - self._reach < held.since + self._reach or len(held.known) < 2 * self._least

    def _whole(self, entity: str, at: int) -> Since:
        return Since(self._digest, entity, at - self._reach - self._reach // 8, before=at, least=self._least)


class _EventReader(Reader):
    """Reads the facts that became known within reach, and takes those that happened in each window, in that order."""

    def __init__(self, compiled: CompiledLookup, event: int, store: FreshStore) -> None:
        super().__init__(compiled, store)
        assert compiled.reach is not None  # a source with event time is looked up within a time only
        self._reach, self._event = compiled.reach // _MICROSECOND, event
        self._plans = [_plan(compiled, output) for output in compiled.outputs]
        self._rows = _decoder(compiled)

    def _asked(self, entity: str, at: int) -> Since:
        return Since(self._digest, entity, at - self._reach, before=at)

    def take(self, asked: Request, at: int, found: Grown) -> list[Any]:
        alive = [one for one in found.facts if one.superseded is None or one.superseded >= at]
        rows = zip((one.known for one in alive), self._rows([one.values for one in alive]), strict=True)
        facts = sorted(rows, key=lambda fact: cast(int, fact[1][self._event]))
        return [plan.compute(self._given(plan, at, facts)) for plan in self._plans]

    def _given(self, plan: Plan, at: int, facts: list[tuple[int, list[Any]]]) -> list[Any]:
        """The measures that a plan reads, of the facts that happened and became known in its window."""
        since = at - (self._reach if plan.width is None else plan.width)
        inside = [row for known, row in facts if known >= since and since <= row[self._event] < at]
        inside = inside if plan.rows is None else inside[-plan.rows :]
        if plan.measure is None:
            return [list(column) for column in zip(*inside, strict=True)]
        return [row[plan.measure] for row in inside]


def _decoder(compiled: CompiledLookup) -> Decode:
    """How the measures of some facts are read, with what is derived from them behind."""
    if not compiled.derived:
        return lambda values: [_decode(one) for one in values]

    def decode(values: Sequence[bytes]) -> list[list[Any]]:
        rows = [_decode(one) for one in values]
        if not rows:
            return []
        further = derived_columns(compiled, _kept_columns(compiled, list(zip(*rows, strict=True))))
        return [
            [*row, *more] for row, more in zip(rows, zip(*(one.to_list() for one in further), strict=True), strict=True)
        ]

    return decode


def _kept_columns(compiled: CompiledLookup, columns: Sequence[Sequence[Any]]) -> list[pl.Series]:
    """The measures that the store keeps, of columns that may have more behind."""
    given = columns or [()] * len(compiled.physical)
    kept = given[: len(compiled.physical)]
    return [pl.Series(one, dtype=physical) for one, physical in zip(kept, compiled.physical, strict=True)]


def _plan(compiled: CompiledLookup, output: Output) -> Plan:
    width = None if output.width is None else output.width // _MICROSECOND
    if output.general is not None:
        return Plan(width, "general", None, lambda columns: _general(compiled, output, columns), output.rows)
    return Plan(width, output.operation, output.measure, aggregation(output), output.rows)


def _general(compiled: CompiledLookup, output: Output, columns: list[list[Any]]) -> Any:
    value = general_value(output, general_frame(compiled, _kept_columns(compiled, columns)))
    return (value.to_physical() if output.dtype.is_temporal() else value).item()
