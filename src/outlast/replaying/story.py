"""The story in moments: at each, what comes in, then what is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from outlast.replaying.history import AT, History, Row, Stream
from outlast.types import micros, moment

_US = timedelta(microseconds=1)
QUARTER = timedelta(minutes=15)
"""The longest batch of facts, where each question is asked by itself."""


@dataclass(frozen=True)
class Moment:
    """What a server hears at one moment, by where it goes."""

    at: datetime
    facts: dict[str, list[Row]] = field(default_factory=dict)
    labels: list[Row] = field(default_factory=list)
    questions: list[Row] = field(default_factory=list)


def moments(history: History, begin: datetime, end: datetime, step: timedelta | None) -> Iterator[Moment]:
    """What happens with begin <= moment < end, in order; nothing is told before it happened.

    Without a step, questions are asked and labels come at their own moments. With one, all that lies within it comes
    together, when the last of it happens. Facts come in batches on time: after they happened, before they are known.
    Only those whose lag is shorter than the step come up to a step late.
    """
    every = [(one, one.between(begin, end)) for one in (*history.facts, history.labels, history.questions)]
    loose = [frame[AT] for one, frame in every if not _batch(one, step)]
    points = _ends(pl.concat(loose), step)
    found: dict[int, Moment] = {}
    for stream, frame in every:
        batch = _batch(stream, step)
        if batch:
            width, first = batch // _US, micros(begin)
            at = [max(first, known // width * width) for known in frame[AT].to_list()]
        else:
            at = points.gather(points.search_sorted(frame[AT], side="left")).to_list()
        for told, row in zip(at, frame.drop(AT).to_dicts(), strict=True):
            here = found.get(told) or found.setdefault(told, Moment(moment(told)))
            if stream is history.questions:
                here.questions.append(row)
            elif stream is history.labels:
                here.labels.append(row)
            else:
                here.facts.setdefault(stream.name, []).append(row)
    yield from (found[at] for at in sorted(found))


def _batch(stream: Stream, step: timedelta | None) -> timedelta | None:
    """How long a batch of facts is that come on time; None where they come when they are known."""
    if step is None:
        return min(stream.lag, QUARTER) or None
    return step if stream.lag >= step else None


def _ends(at: pl.Series, step: timedelta | None) -> pl.Series:
    """The moments at which what has its own is told."""
    if step is None:
        return at.unique().sort()
    width = (at // (step // _US)).alias("step")
    return at.to_frame().group_by(width).agg(pl.col(AT).max())[AT].sort()


def boundaries(since: datetime, until: datetime, every: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """A stretch of time in parts that end where somebody ticks, counted from 1970."""
    begin, width = since, every // _US
    while begin < until:
        end = min(until, moment((micros(begin) // width + 1) * width))
        yield begin, end
        begin = end
