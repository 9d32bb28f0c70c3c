"""Whether fresh values can be read, reach far enough back, and are as new as the contract asks."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import Any

import msgspec

from outlast.bundle.answers import Rung
from outlast.bundle.falls import Lower
from outlast.bundle.ingest import MARGIN
from outlast.bundle.requests import Asked
from outlast.errors import StorageError
from outlast.features.compiled import CompiledLookup
from outlast.project.policies import Aged, stale_of
from outlast.storage.fresh import FreshStore, FreshValues, Request
from outlast.types import duration, moment

_MICROSECOND = timedelta(microseconds=1)
_MARGIN = MARGIN // _MICROSECOND
_SECOND, _MINUTE = 1_000_000, 60_000_000
_NEVER = -(2**62)
_RUNGS: Mapping[Aged, Rung] = {"warn": "full", "simpler": "simpler", "default": "default", "refuse": "refused"}


class Unread(StorageError):
    """The store of fresh values could not be read: this and nothing else is what the ladder calls so."""


class Freshness:
    """What the store holds for a version's lookups, looked at once a minute; every second while something is wrong.

    `stale` is how old the newest fact of a source may be at the moment of a decision, and perhaps what an older one
    leads to. With `required`, a lookup of which the store holds nothing at all is wrong too: a store that lost
    everything reads as if nothing ever happened.
    """

    def __init__(
        self, lookups: Sequence[CompiledLookup], store: FreshStore, stale: Mapping[str, Any], *, required: bool
    ) -> None:
        self._lookups, self._store, self._required = lookups, store, required
        said = {name: stale_of(one) for name, one in stale.items()}
        self._allowed = {name: duration(age) // _MICROSECOND for name, (age, _) in said.items()}
        self._then: dict[str, Rung] = {name: _RUNGS[then] for name, (_, then) in said.items()}
        self._until = -1
        self.floor = 0
        """The oldest moment that every lookup can be asked about in full."""
        self._limits: dict[str, tuple[int, str]] = {}
        self._limit: int | None = None

    def lacking(self, asked: Sequence[Asked], now: int) -> list[Lower | None]:
        """Of each question, why it should not be answered from these values, and what instead; None: nothing is
        against it.

        Unread where the store cannot be read.
        """
        if now > self._until and self._lookups:
            self._look(now)
        limit = self._limit
        return [None if limit is None or one.decide_at <= limit else self._says(one.decide_at) for one in asked]

    def ages(self, now: int) -> dict[str, float]:
        """By source, how many seconds old its newest fact is; of several lookups, in the one that is furthest behind.

        Unread where the store cannot be read.
        """
        found: dict[str, float] = {}
        with reading_store():
            for lookup in self._lookups:
                newest, name = self._store.newest(lookup.digest, until=now), lookup.lookup.source.name
                age = inf if newest is None else (now - newest) / _SECOND
                found[name] = max(age, found.get(name, age))
        return found

    def _look(self, now: int) -> None:
        with reading_store():
            newest = [self._store.newest(lookup.digest) for lookup in self._lookups]
            self._limits = self._found(newest, now)
        self.floor = max((min(one, now) - _MARGIN for one in newest if one is not None), default=0)
        self._limit = min((limit for limit, _ in self._limits.values()), default=None)
        self._until = now + (_MINUTE if self._limit is None or self._limit >= now else _SECOND)

    def _says(self, decide_at: int) -> Lower | None:
        found: Lower | None = None
        for name, (limit, says) in self._limits.items():
            if decide_at > limit:
                one = Lower(self._then.get(name, "simpler"), (says,), (f"stale:{name}",))
                found = one if found is None else found.beside(one)
        return found

    def _found(self, newest: Sequence[int | None], now: int) -> dict[str, tuple[int, str]]:
        """By source, up to which moment questions may be asked, and what is said of later ones."""
        found: dict[str, tuple[int, str]] = {}
        for lookup, ever in zip(self._lookups, newest, strict=True):
            name = lookup.lookup.source.name
            allowed = self._allowed.get(name)
            if ever is None and (self._required or allowed is not None):
                found[name] = (_NEVER, f"fresh values hold no fact of '{name}'")
            elif allowed is not None and found.get(name, (0,))[0] != _NEVER:
                found[name] = self._aged(lookup, allowed, now)
        return found

    def _aged(self, lookup: CompiledLookup, allowed: int, now: int) -> tuple[int, str]:
        name = lookup.lookup.source.name
        last = self._store.newest(lookup.digest, until=now)
        if last is None:
            return _NEVER, f"fresh values hold no fact of '{name}' that is known by now"
        said = f"the newest fact of '{name}' in fresh values is of {moment(last):%Y-%m-%dT%H:%MZ}"
        return last + allowed, f"{said}, older than [serving] stale allows"


class reading_store:
    """Calls a failure of the store, and only that, by its name. A class, because a generator would cost more."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StorageError | msgspec.DecodeError):
            raise Unread(str(error)) from error


class Gone(FreshValues):
    """A store that cannot be read: what a version answers then is proven, too."""

    def __init__(self) -> None:
        """Nothing is opened."""

    def newest(self, digest: str, until: int | None = None) -> int | None:
        raise StorageError("there are none")

    def read_many(self, requests: Sequence[Request]) -> list[Any]:
        raise StorageError("there are none")
