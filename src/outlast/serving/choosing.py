"""Who answers a request: what is live, or who stands beside it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import OutlastError
from outlast.serving.answering import answers_for
from outlast.serving.beside import Seat
from outlast.serving.explaining import Wanted, fresh
from outlast.serving.handling import current
from outlast.serving.parts import Parts
from outlast.serving.refusing import refused
from outlast.serving.repeats import Given
from outlast.serving.together import Busy, Late
from outlast.types import Named

_log = logging.getLogger("outlast.serving")


async def given(
    parts: Parts,
    seat: Seat,
    rows: Sequence[Any],
    name: str,
    *,
    within: float | None = None,
    explain: Wanted | None = None,
) -> Given:
    """The answers to a request; those it got before, where its caller named it and asks again."""
    if explain is not None:
        return await _explained(parts, seat, rows, name, within=within, explain=explain)
    if not isinstance(name, Named):
        return await _answered(parts, seat, rows, name, within)
    return await parts.repeats.once(
        seat.predictor, rows, name, lambda: _answered(parts, seat, rows, name, within), within=within
    )


async def _explained(
    parts: Parts, seat: Seat, rows: Sequence[Any], name: str, *, within: float | None, explain: Wanted
) -> Given:
    until = None if within is None else perf_counter() + within
    explain.require(seat.predictor, rows)
    found = await given(parts, seat, rows, name, within=within)
    model = found.predictor
    by = parts.explaining.kept(model.model, explain) if found.again else fresh(model, explain)
    return replace(found, told=await parts.explaining.told(by, found.answers, until=until))


async def _answered(parts: Parts, seat: Seat, rows: Sequence[Any], name: str, within: float | None) -> Given:
    try:
        return await _by_either(parts, seat, rows, name, within)
    except OutlastError as error:
        await refused(parts, seat.predictor, rows, name, error)
        raise


async def _by_either(parts: Parts, seat: Seat, rows: Sequence[Any], name: str, within: float | None) -> Given:
    """The answers to a request, by the live version in its seat or by its challenger.

    A request is answered whole by one version: by its first row's key, else by the request's id. Where the challenger
    cannot answer, the live version does. A shadow is asked afterwards, and so is a canary what it does not answer: both
    say of the same questions more in a day than two groups of questions do in weeks. An A/B test leaves them apart.
    """
    live = seat.predictor
    beside = parts.house.take_beside(live.model)
    if beside is None:
        return Given(live, seat.advice, await answers_for(parts, live, rows, name, within=within))
    with beside.seat as other:
        if beside.answers(_key(live, rows, name)):
            found = await _tried(parts, other, beside.stage, rows, name, within)
            if found is not None:
                return Given(other, False, found)
        answers = await answers_for(parts, live, rows, name, within=within)
        if beside.stage != "ab":
            parts.shadows.ask(beside.seat, rows, answers, name)
        return Given(live, seat.advice, answers)


async def _tried(
    parts: Parts, other: Predictor, stage: str, rows: Sequence[Any], name: str, within: float | None
) -> list[Answer] | None:
    """The challenger's answers; None where it has none, which is no reason to refuse the caller."""
    one = current()
    one.role = stage
    try:
        return await answers_for(parts, other, rows, name, within=within)
    except (Busy, Late):
        raise
    except OutlastError as error:
        parts.metrics.missed(other.model, other.version, "failed", len(rows))
        one.role = "live"
        _log.warning("%s@%d could not answer, what is live does: %s", other.model, other.version, type(error).__name__)
        return None


def _key(live: Predictor, rows: Sequence[Any], name: str) -> str:
    """What a request sticks by."""
    first = rows[0] if rows else None
    if not live.key or not isinstance(first, Mapping):
        return name
    parts = [first.get(part) for part in live.key]
    return name if None in parts else repr(parts)
