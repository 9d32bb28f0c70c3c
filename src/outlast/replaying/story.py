"""The story in moments: at each, what became known since the one before, then what is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from outlast.replaying.history import AT, History, Row, Stream
from outlast.types import micros, moment

_US = timedelta(microseconds=1)
QUARTER = timedelta(minutes=15)
"""How long a fact waits at most where nothing is asked, and each question is asked by itself."""


@dataclass(frozen=True)
class Moment:
    """What a server hears at one moment, by where it goes."""

    at: datetime
    facts: dict[str, list[Row]]
    labels: list[Row]
    questions: list[Row]


def moments(history: History, begin: datetime, end: datetime, step: timedelta | None) -> Iterator[Moment]:
    """What happens with begin <= moment < end, in order.

    With a step, all that lies within one is told together, when the last of it happened: nothing is told before it was
    known. Without, each question is asked at its own moment, and facts wait for the next, a quarter of an hour at most.
    """
    facts = {one.name: one.between(begin, end) for one in history.facts}
    labels, asked = history.labels.between(begin, end), history.questions.between(begin, end)
    every = pl.concat([frame.get_column(AT) for frame in (*facts.values(), labels, asked)])
    if every.is_empty():
        return
    width = (step or QUARTER) // _US
    ends = every.to_frame().group_by((pl.col(AT) // width).alias("step")).agg(pl.col(AT).max())[AT]
    points = pl.concat([ends, *([] if step else [asked[AT]])]).unique().sort()
    told = {name: _by(frame, points) for name, frame in facts.items()}
    known, questions = _by(labels, points), _by(asked, points)
    for place, at in enumerate(points.to_list()):
        yield Moment(
            moment(at),
            {name: rows[place] for name, rows in told.items() if place in rows},
            known.get(place, []),
            questions.get(place, []),
        )


def rows_of(history: History, begin: datetime, end: datetime) -> int:
    """How much there is to tell."""
    return sum(one.between(begin, end).height for one in streams(history))


def streams(history: History) -> tuple[Stream, ...]:
    return (*history.facts, history.labels, history.questions)


def _by(frame: pl.DataFrame, points: pl.Series) -> dict[int, list[Row]]:
    """Rows by the first point that is not before their moment, in the order of time."""
    if frame.is_empty():
        return {}
    places = points.search_sorted(frame[AT], side="left")
    parts: dict[int, list[Row]] = {}
    for place, row in zip(places.to_list(), frame.drop(AT).to_dicts(), strict=True):
        parts.setdefault(place, []).append(row)
    return parts


def boundaries(since: datetime, until: datetime, every: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """A stretch of time in parts that end where somebody ticks, counted from 1970."""
    begin, width = since, every // _US
    while begin < until:
        end = min(until, moment((micros(begin) // width + 1) * width))
        yield begin, end
        begin = end
