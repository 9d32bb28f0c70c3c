"""Fresh values in Redis, for servers on several hosts."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property, partial
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from outlast.errors import StorageError
from outlast.storage.fresh.members import (
    END,
    ENDLESS,
    EVER,
    after,
    before_moment,
    from_moment,
    ordered,
    ordered_back,
    spelt,
    version_of,
)
from outlast.storage.fresh.scripts import COUNTED, DROP, INGEST, PRUNE
from outlast.storage.fresh.store import Fact, Found, Grown, Latest, Request, Since

T = TypeVar("T")
_CONNECT_SECONDS, _ANSWER_SECONDS, _WRITE_SECONDS = 0.25, 1.0, 10.0
_REST_SECONDS = 1.0
"""After a failed connection, reads fail at once for so long: a question waits for a dead store once, not each time."""
_ENTITIES = 200
"""In one trip of pruning, so that nobody waits long."""
_EVICTS = "allkeys"
Command = tuple[Any, ...]


class RedisFresh:
    """Facts by lookup digest and entity in one Redis (6.2 or later, no cluster), in a namespace of their own.

    Facts of an entity are one sorted set, in order of moment and key, so that the newest is one command away. Taking
    facts in is one script: all or none, and nobody sees half of it. What outlives a restart of Redis is up to its
    settings; what is lost is filled again by `outlast backfill`.
    """

    at_once = 1_000

    def __init__(self, url: str, namespace: str = "outlast") -> None:
        self._url = url
        self.address = _without_password(url)
        self._names = f"outlast:{namespace}:".encode()
        self._failed_at: tuple[float, str] | None = None

    def ingest(self, digest: str, facts: Sequence[Fact]) -> int:
        """Take facts in, all or none and in any order; returns how many were not there before."""
        return self.ingest_many([(digest, facts)])

    def ingest_many(self, items: Iterable[tuple[str, Sequence[Fact]]]) -> int:
        """Take facts of several lookups in, all or none."""
        told: list[Any] = [self._names, uuid4().hex]
        for digest, facts in items:
            versions = {(one.key, one.known): one for one in facts}
            if versions:
                told += [digest, len(versions), ordered(max(known for _, known in versions))]
                for one in versions.values():
                    told += self._told(one)
        if len(told) == 2:
            return 0
        return int(self._do("write to", lambda: self._writer.eval(INGEST, 0, *told)))

    def latest(self, digest: str, entity: str, before: int, since: int | None = None) -> Found | None:
        """The newest fact of an entity known before a moment; the greatest key wins a tie."""
        asked = Latest(digest, entity, before, since)
        return self._chosen(asked, self._read(lambda: self._reader.execute_command(*self._newest(asked))))

    def window(self, digest: str, entity: str, since: int, before: int) -> list[Found]:
        """The facts of an entity known from `since` until before a moment, by (known, key)."""
        command = ("ZRANGEBYLEX", self._of(digest, entity), from_moment(since), before_moment(before))
        versions = [version_of(one) for one in self._read(lambda: self._reader.execute_command(*command))]
        return [one[:3] for one in versions if one.superseded is None or one.superseded >= before]

    def read_many(self, requests: Sequence[Request]) -> list[Any]:
        """What each request asks for, in one trip; a second one where a newest fact was replaced meanwhile."""
        if len(requests) == 1 and isinstance(requests[0], Latest):
            return [self.latest(*requests[0])]
        commands = [self._commands(one) for one in requests]
        whole = any(isinstance(one, Since) for one in requests)
        said = self._read(lambda: self._piped([one for some in commands for one in some], whole))
        found: list[Any] = []
        for asked, some in zip(requests, commands, strict=True):
            answers, said = said[: len(some)], said[len(some) :]
            if isinstance(asked, Latest):
                found.append(self._chosen(asked, answers[0]))
            else:
                found.append(_grown(*(answers[0] if _is_counted(asked) else answers)))
        return found

    def prune(self, digest: str, older_than: int, keep: int = 1) -> int:
        """Forget what no lookup of the `keep` newest facts at `older_than` or later can find.

        Entities are done one after the other: what is stopped half-way has forgotten less, and goes on next time.
        """
        due = self._name(digest, b"due")
        entities = self._do("prune", lambda: self._writer.zrangebyscore(due, "-inf", older_than))
        told = (self._name(digest), ordered(older_than), keep)
        return sum(self._each("prune", PRUNE, told, entities))

    def drop(self, digest: str) -> None:
        """Forget all facts of a lookup; what is stopped half-way is taken up by the next call."""
        entities = self._do("drop from", lambda: self._writer.zrange(self._name(digest, b"last"), 0, -1))
        self._each("drop from", DROP, (self._name(digest),), entities)
        gone = [self._name(digest, part) for part in (b"versions", b"due", b"last", b"newest")]
        self._do("drop from", lambda: self._writer.delete(*gone))
        self._do("drop from", lambda: self._writer.srem(self._names + b"lookups", digest))

    def count(self, digest: str) -> int:
        """How many versions of facts a lookup has."""
        return int(self._read(lambda: self._reader.zcard(self._name(digest, b"versions"))))

    def newest(self, digest: str, until: int | None = None) -> int | None:
        """When the newest fact of a lookup became known; with `until`, of those known by then."""
        found = self._read(lambda: self._reader.zrange(self._name(digest, b"newest"), 0, 0))
        newest = ordered_back(found[0]) if found else None
        if newest is None or until is None or newest <= until:
            return newest
        return self._newest_by(digest, until)

    def digests(self) -> list[str]:
        """The lookups that have facts."""
        return sorted(name.decode() for name in self._read(lambda: self._reader.smembers(self._names + b"lookups")))

    def verify(self) -> None:
        """StorageError when Redis cannot be reached, is too old, or may throw facts away to make room."""
        said = self._read(lambda: self._reader.info())
        version = tuple(int(part) for part in str(said["redis_version"]).split(".")[:2])
        if version < (6, 2):
            raise StorageError(f"The Redis at {self.address} is {said['redis_version']}: expected 6.2 or later")
        policy = str(said.get("maxmemory_policy", ""))
        if said.get("maxmemory") and policy.startswith(_EVICTS):
            raise StorageError(
                f"The Redis at {self.address} throws keys away when its memory is full ({policy}), facts among them: "
                "set its maxmemory-policy to noeviction"
            )

    def close(self) -> None:
        """Let go of every connection; the next call makes new ones."""
        for client in ("_reader", "_writer"):
            made = vars(self).pop(client, None)
            if made is not None:
                made.close()

    @cached_property
    def _reader(self) -> Any:
        return self._client(_ANSWER_SECONDS)

    @cached_property
    def _writer(self) -> Any:
        return self._client(_WRITE_SECONDS)

    def _client(self, seconds: float) -> Any:
        _faults(self.address)
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            client = Redis.from_url(
                self._url,
                socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=seconds,
                retry=Retry(NoBackoff(), 1),  # a connection that the server closed meanwhile is made again
                protocol=2,
            )
        except ValueError as error:
            raise StorageError(f"The address of fresh values, {self.address}, cannot be read: {error}") from None
        return client

    def _told(self, fact: Fact) -> list[Any]:
        if not isinstance(fact.values, bytes):
            raise StorageError(
                f"Could not write to the fresh values in {self.address}: the values of fact '{fact.key}' are not bytes"
            )
        return [spelt(fact.key), ordered(fact.known), fact.known, fact.entity, fact.values]

    def _name(self, digest: str, part: bytes = b"") -> bytes:
        return b"%b%b:%b" % (self._names, digest.encode(), part)

    def _of(self, digest: str, entity: str) -> bytes:
        return b"%b%b:of:%b" % (self._names, digest.encode(), entity.encode())

    def _newest(self, asked: Latest) -> Command:
        low = from_moment(EVER if asked.since is None else asked.since)
        return ("ZREVRANGEBYLEX", self._of(asked[0], asked[1]), before_moment(asked.before), low, "LIMIT", 0, 1)

    def _chosen(self, asked: Latest, members: list[bytes]) -> Found | None:
        """The newest fact that no later version replaced before the moment."""
        if not members:
            return None
        one = version_of(members[0])
        if one.superseded is None or one.superseded >= asked.before:
            return one[:3]
        found = self.window(asked.digest, asked.entity, EVER if asked.since is None else asked.since, asked.before)
        return found[-1] if found else None

    def _commands(self, asked: Request) -> list[Command]:
        if isinstance(asked, Latest):
            return [self._newest(asked)]
        if _is_counted(asked):
            before = ENDLESS if asked.before is None else ordered(asked.before)
            told = (self._name(asked.digest), asked.entity, ordered(asked.known), before, asked.least)
            return [("EVAL", COUNTED, 0, *told)]
        low = from_moment(asked.known) if asked.key is None else after(asked.known, asked.key)
        high = b"+" if asked.before is None else before_moment(asked.before)
        return [
            ("HMGET", self._name(asked.digest, b"changes"), asked.entity, END),
            ("ZRANGEBYLEX", self._of(asked.digest, asked.entity), low, high),
        ]

    def _newest_by(self, digest: str, until: int) -> int | None:
        """The newest known by a moment: of entities without later facts by their mark, of the others one by one."""
        last = self._name(digest, b"last")
        early = self._read(lambda: self._reader.zrevrangebyscore(last, f"({until}", "-inf", start=0, num=1))
        late = self._read(lambda: self._reader.zrangebyscore(last, until, "+inf"))
        found: list[int] = []
        for entity in [*early, *late]:
            key = b"%bof:%b" % (self._name(digest), entity)
            command = ("ZREVRANGEBYLEX", key, before_moment(until + 1), b"-", "LIMIT", 0, 1)
            members = self._read(partial(self._reader.execute_command, *command))
            found += [version_of(one).known for one in members]
        return max(found, default=None)

    def _each(self, doing: str, script: str, told: Command, entities: Sequence[bytes]) -> list[int]:
        found: list[int] = []
        for begin in range(0, len(entities), _ENTITIES):
            commands = [("EVAL", script, 0, *told, entity) for entity in entities[begin : begin + _ENTITIES]]
            found += self._do(doing, partial(self._piped, commands, False, self._writer))
        return found

    def _piped(self, commands: Sequence[Command], whole: bool, client: Any = None) -> list[Any]:
        pipe = (client or self._reader).pipeline(transaction=whole)
        for command in commands:
            pipe.execute_command(*command)
        said: list[Any] = pipe.execute()
        return said

    def _read(self, act: Callable[[], Any]) -> Any:
        if self._failed_at is not None:
            at, says = self._failed_at
            if time.monotonic() - at < _REST_SECONDS:
                raise StorageError(says)
        return self._do("read", act)

    def _do(self, doing: str, act: Callable[[], T]) -> T:
        every, broken = _faults(self.address)
        try:
            done = act()
        except every as error:
            says = f"Could not {doing} the fresh values in {self.address}: {error}; {_advice(error)}"
            if isinstance(error, broken):
                self._failed_at = (time.monotonic(), says)
            raise StorageError(says) from error
        self._failed_at = None
        return done


@cache
def _faults(address: str) -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """What the client raises, and which of it says that Redis was not reached."""
    try:
        from redis import exceptions
    except ImportError:
        raise StorageError(
            f"Fresh values are in {address}, and the client of Redis is not installed: pip install 'outlast[redis]'"
        ) from None
    return (exceptions.RedisError, OSError), (exceptions.ConnectionError, exceptions.TimeoutError, OSError)


def _advice(error: Exception) -> str:
    said = str(error).upper()
    if "PASSWORD" in said or "AUTH" in said:
        return "give its user and password in the address, by OUTLAST_FRESH"
    if "OOM" in said or "MAXMEMORY" in said:
        return "its memory is full: raise maxmemory, or run `outlast tick`, which forgets what no lookup can reach"
    if "TIMEOUT" in said or "TIMED OUT" in said:
        return "it answers too slowly: see to its load and to the network"
    return "see that it runs and can be reached from here"


def _is_counted(asked: Since) -> bool:
    return bool(asked.least) and asked.key is None


def _grown(marks: list[bytes | None], members: list[bytes]) -> Grown:
    """The mark holds which store it is as well: one that was emptied and filled again starts to count anew."""
    mark = b"/".join(one or b"" for one in marks).decode()
    return Grown(mark, [version_of(one) for one in members])


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
