"""What every store of fresh values offers, and what goes in and out of it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from outlast.errors import StorageError

Found = tuple[int, str, bytes]
"""A fact that was found: since when it is known, which it is, what it says."""


class Fact(msgspec.Struct, frozen=True):
    """One version of one fact: whose it is, which fact, since when it is known (its lag added), what it says."""

    entity: str
    key: str
    known: int
    values: bytes


class Latest(NamedTuple):
    """Asks for the newest fact of an entity known before a moment, and not before `since`."""

    digest: str
    entity: str
    before: int
    since: int | None = None


class Since(NamedTuple):
    """Asks for all facts of an entity from a moment on and before another; with a key, only those after that fact.

    With `least`, and without a key, it begins earlier where that takes it: at the moment of the fact that is the
    so-many-th newest of those no later version replaced before `before`, or at the very first where there are fewer.
    """

    digest: str
    entity: str
    known: int
    key: str | None = None
    before: int | None = None
    least: int = 0


class Version(NamedTuple):
    """A version of a fact, and the moment from which a later version of its key replaces it."""

    known: int
    key: str
    values: bytes
    superseded: int | None


class Grown(NamedTuple):
    """An entity's facts at one moment, and a mark that stays the same as long as facts only come after these."""

    mark: str
    facts: list[Version]


Request = Latest | Since


class FreshStore(Protocol):
    """Facts by lookup digest and entity, shared by any number of threads and processes.

    A later version of a key replaces the earlier ones from the moment it is known, whichever entity it names.
    """

    at_once: int
    """How many facts to give in one call at most, so that what reads meanwhile does not wait."""

    @property
    def address(self) -> str:
        """Where it is, for people: without a password."""

    def ingest(self, digest: str, facts: Sequence[Fact]) -> int:
        """Take facts in, all or none and in any order; returns how many were not there before."""

    def ingest_many(self, items: Iterable[tuple[str, Sequence[Fact]]]) -> int:
        """Take facts of several lookups in, all or none."""

    def latest(self, digest: str, entity: str, before: int, since: int | None = None) -> Found | None:
        """The newest fact of an entity known before a moment; the greatest key wins a tie."""

    def window(self, digest: str, entity: str, since: int, before: int) -> list[Found]:
        """The facts of an entity known from `since` until before a moment, by (known, key)."""

    def read_many(self, requests: Sequence[Request]) -> list[Any]:
        """What each request asks for, in one trip: for Latest a Found or None, for Since what has Grown."""

    def prune(self, digest: str, older_than: int, keep: int = 1) -> int:
        """Forget what no lookup of the `keep` newest facts at `older_than` or later can find; returns how many went.

        `keep` is the same for a lookup each time.
        """

    def drop(self, digest: str) -> None:
        """Forget all facts of a lookup."""

    def count(self, digest: str) -> int:
        """How many versions of facts a lookup has."""

    def newest(self, digest: str, until: int | None = None) -> int | None:
        """When the newest fact of a lookup became known; with `until`, of those known by then."""

    def digests(self) -> list[str]:
        """The lookups that have facts."""

    def verify(self) -> None:
        """StorageError says what is wrong with what is kept, and how it is mended."""

    def close(self) -> None:
        """Let go of every connection; no call may be under way."""


class DamagedFresh(StorageError):
    """The file of fresh values is no longer what was written."""
