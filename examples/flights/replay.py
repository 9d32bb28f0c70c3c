"""A stretch of the past, told to a live server as it happened.

Facts are sent when they became known, questions when they were asked, labels when planes landed: all over HTTP, in the
order of time, with nothing from the future in between.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import polars.selectors as cs

from outlast.project.declare import Model, Source

Row = dict[str, Any]
TICK = "__tick"
AFTER = timedelta(minutes=15)
"""How often facts are told once the last question was asked and its planes are still in the air."""


@dataclass(frozen=True)
class Moment:
    """What a server hears at one moment: what became known since the moment before, then what is asked."""

    at: datetime
    facts: dict[str, list[Row]]
    labels: list[Row]
    questions: list[Row]


@dataclass
class Played:
    """What came of a replay."""

    answers: list[Row] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    labels: list[Row] = field(default_factory=list)


class Caller:
    """One connection that is kept open, as a service beside the server would have."""

    def __init__(self, address: str) -> None:
        where = urlsplit(address)
        self._http = HTTPConnection(where.hostname or "", where.port, timeout=60)

    def get(self, path: str) -> tuple[int, Any]:
        return self._send("GET", path, None)

    def post(self, path: str, body: Row) -> Any:
        """The answer; anything but a 200 ends the replay with the server's own sentence."""
        status, answer = self._send("POST", path, json.dumps(body).encode())
        if status != 200:
            raise RuntimeError(f"POST {path} was answered with {status}: {answer}")
        return answer

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        self._http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = self._http.getresponse()
        return response.status, json.loads(response.read())


def moments(model: Model, year: Path, since: datetime, until: datetime) -> list[Moment]:
    """The story from one moment to another, and on until the last plane that was asked about has landed."""
    question, truth = model.question, model.label.source
    assert question.time is not None
    assert model.label.expr is not None
    asked = _table(year, question).filter(pl.col(question.time).is_between(since, until, closed="left"))
    asked = asked.select(*question.keys, question.time, *model.asks.names)
    facts = {s.name: _facts(year, s).filter(pl.col(s.time) >= since) for s in model.sources if s.name != question.name}
    known = facts[truth.name].join(asked, on=question.keys, how="semi")
    labels = known.select(key=question.keys[0], value=model.label.expr, known_at="__known")
    ticks = _ticks(asked[question.time], labels["known_at"])
    questions = _by_tick(asked, asked[question.time], ticks)
    told = {name: _by_tick(frame.drop("__known"), frame["__known"], ticks) for name, frame in facts.items()}
    outcomes = _by_tick(labels, labels["known_at"], ticks)
    return [
        Moment(
            at,
            {name: rows[index] for name, rows in told.items() if index in rows},
            outcomes.get(index, []),
            questions.get(index, []),
        )
        for index, at in enumerate(ticks)
    ]


def play(
    caller: Caller, model: str, story: list[Moment], *, heard: Callable[[Moment, Played], None] = lambda *_: None
) -> Played:
    """Tell the story to a server, one request after the other; `heard` is called after each moment."""
    played = Played()
    for moment in story:
        for source, rows in moment.facts.items():
            caller.post(f"/facts/{source}", {"rows": rows})
            played.facts[source] = played.facts.get(source, 0) + len(rows)
        if moment.labels:
            caller.post(f"/labels/{model}", {"labels": moment.labels})
            played.labels.extend(moment.labels)
        for question in moment.questions:
            begin = time.perf_counter()
            answer = caller.post(f"/predict/{model}", question)
            played.seconds.append(time.perf_counter() - begin)
            played.answers.append({**question, **answer})
        heard(moment, played)
    return played


def _table(year: Path, source: Source) -> pl.DataFrame:
    return pl.read_parquet(year / Path(str(source.location)).name)


def _facts(year: Path, source: Source) -> pl.DataFrame:
    """A source's rows with the moment each became known."""
    return _table(year, source).with_columns(__known=pl.col(source.time or "") + source.delay)


def _ticks(asked: pl.Series, landed: pl.Series) -> list[datetime]:
    """Every moment at which something is asked, and then a few until the last landing is known."""
    ticks: list[datetime] = asked.unique().sort().to_list()
    return [*ticks, *_until(ticks[-1], landed.max())]


def _until(last: datetime, end: Any) -> Iterator[datetime]:
    while end is not None and last < end:
        yield (last := last + AFTER)


def _by_tick(frame: pl.DataFrame, at: pl.Series, ticks: list[datetime]) -> dict[int, list[Row]]:
    """Rows in words of JSON, by the first tick that is not before their moment, in the order of time."""
    places = pl.Series(ticks, dtype=at.dtype).search_sorted(at, side="left")
    spelled = frame.with_columns(cs.datetime().dt.to_string("iso:strict"), places.alias(TICK), at.alias("__at"))
    parts = spelled.sort("__at", maintain_order=True).drop("__at").partition_by(TICK, as_dict=True, include_key=False)
    return {int(tick): part.to_dicts() for (tick,), part in parts.items() if tick < len(ticks)}
