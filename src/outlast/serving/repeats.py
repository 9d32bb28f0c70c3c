"""A request asked again under the id its caller gave it gets its first answer: nothing is computed or written twice.

Names are remembered by this process with their answers, and by the host in a file that all its servers share; answers
that this process does not have are read from the journal. A name is taken before its answer is written, so that a
server that dies in between leaves a name whose answer is looked for, and computed where there is none.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from time import perf_counter
from typing import Any

import msgspec
from msgspec.structs import replace

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import Conflict, OutlastError
from outlast.journal.again import answered_before
from outlast.project.workspace import Workspace
from outlast.serving.explaining import Told
from outlast.serving.metrics import Metrics
from outlast.serving.together import MOST_AT_ONCE, Late
from outlast.storage.names import ASKED, ENDED, NAME, PENDING, UNKNOWN, Names, Taken
from outlast.types import Named, micros, now

FILE = "answered.names"
KEPT = 1_000
"""Requests whose answers this process remembers itself."""
_LOOK = 0.01
_PATIENCE = 30.0
"""Seconds a repeat waits for its first, where it does not say how long."""
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Given:
    """Answers, and the version that gave them; `again` where they were given before."""

    predictor: Predictor
    advice: bool
    answers: list[Answer]
    again: bool = False
    told: list[Told] | None = None
    """Their explanations, where they were asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """An answered request, without its version: that may be let go meanwhile."""

    asked: str
    version: int
    advice: bool
    answers: list[Answer]


@dataclass(frozen=True, slots=True, eq=False)
class _Flying:
    asked: str
    ended: "asyncio.Future[None]"


class Repeats:
    """The named requests of one event loop, and of its host."""

    def __init__(self, workspace: Workspace, metrics: Metrics) -> None:
        self._workspace, self._metrics = workspace, metrics
        self._names = Names(workspace.log_root / FILE)
        self._flying: dict[str, _Flying] = {}
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def close(self) -> None:
        """Let go of the host's file."""
        self._names.close()

    async def once(
        self,
        predictor: Predictor,
        rows: Sequence[Any],
        name: Named,
        answer: Callable[[], Awaitable[Given]],
        *,
        within: float | None = None,
    ) -> Given:
        """The answers to a named request: those it got before, else those that `answer` gives now.

        Conflict where the name was given to another question; Late where the first is still being answered when the
        time of this one runs out.
        """
        name.asked = _digest(predictor.model, rows)
        until = perf_counter() + (_PATIENCE if within is None else within)
        while True:
            kept, flying = self._kept.get(name), self._flying.get(name)
            if kept is not None:
                self._same(kept.asked, name)
                return self._again(predictor, kept)
            if flying is None:
                found = await self._tried(predictor, name, answer)
                if found is not None:
                    return found
                await asyncio.sleep(_LOOK)  # another server of this host is at it
            else:
                self._same(flying.asked, name)
                await asyncio.wait([flying.ended], timeout=max(0.0, until - perf_counter()))
            if perf_counter() > until:
                raise Late(f"Another request with the id '{name[:40]}' came first and is still being answered")

    async def _tried(self, predictor: Predictor, name: Named, answer: Callable[[], Awaitable[Given]]) -> Given | None:
        """The answers by whoever takes the name now; None where another server has it."""
        assert name.asked is not None
        key, asked, at = blake2b(name.encode(), digest_size=NAME).digest(), bytes.fromhex(name.asked), micros(now())
        flying = self._flying[name] = _Flying(name.asked, asyncio.get_running_loop().create_future())
        try:
            taken = self._names.take(key, asked, at)
            if taken.state:
                before = await self._before(predictor, name, taken)
                if before is not None or (not taken.first and taken.state == PENDING):
                    return before
                if not taken.first:
                    taken = self._names.take(key, asked, at, anew=True)
                    if not taken.first:
                        return None
            return await self._answered(name, taken.place, answer)
        finally:
            del self._flying[name]
            flying.ended.set_result(None)

    async def _answered(self, name: Named, place: int, answer: Callable[[], Awaitable[Given]]) -> Given:
        assert name.asked is not None
        try:
            found = await answer()
        except OutlastError:
            self._names.free(place)  # nothing was written: asked again, it may go better
            raise
        except BaseException:  # the caller went while it was answered, perhaps after it was written
            self._names.end(place, UNKNOWN)
            raise
        self._names.end(place, ENDED, int(found.advice))
        bare = [replace(one, asks={}, features={}) for one in found.answers[: MOST_AT_ONCE + 1]]
        self._keep(name, _Kept(name.asked, found.predictor.version, found.advice, bare))
        return found

    async def _before(self, predictor: Predictor, name: Named, taken: Taken) -> Given | None:
        """The answers that the journal has under a name that was there before; it ends as it is found."""
        state, model, task = UNKNOWN, predictor.model, predictor.task
        try:
            self._same(taken.asked.hex(), name)
            if taken.state == PENDING:
                return None
            near = taken.at
            found = await asyncio.to_thread(answered_before, self._workspace, model, name, task=task, near=near)
            if found is None:
                state = PENDING
                return None
            state = ENDED
        finally:
            if taken.first and state != PENDING:
                self._names.end(taken.place, state, taken.note)
        kept = _Kept(taken.asked.hex(), found.version, bool(taken.note), found.answers)
        self._keep(name, kept)
        return self._again(predictor, kept)

    def _again(self, predictor: Predictor, kept: _Kept) -> Given:
        self._metrics.repeated("answered")
        if predictor.version != kept.version:
            predictor = copy(predictor)
            predictor.version = kept.version
        return Given(predictor, kept.advice, kept.answers, again=True)

    def _keep(self, name: Named, kept: _Kept) -> None:
        if len(kept.answers) > MOST_AT_ONCE:
            return  # large ones are read from the journal, should they be asked for
        self._kept[str(name)] = kept
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _same(self, asked: str, name: Named) -> None:
        if asked != name.asked:
            self._metrics.repeated("refused")
            raise Conflict(
                f"The request id '{name[:40]}' was given to another question before: send each question under an id "
                "of its own, and only the same one again under the same"
            )


def _digest(model: str, rows: Sequence[Any]) -> str:
    """What is asked, whatever protocol brought it."""
    try:
        body = _encode(rows)
    except (TypeError, ValueError, OverflowError, RecursionError):  # what JSON has no word for
        body = repr(rows).encode("utf-8", "backslashreplace")
    return blake2b(body, key=model.encode()[:64], digest_size=ASKED).hexdigest()
