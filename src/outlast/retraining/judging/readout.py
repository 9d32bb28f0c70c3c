"""A challenger beside what is live, by the outcomes that are known: errors, agreement, and value with an interval.

Where the challenger is a shadow, both answered the same questions, and what counts is the difference of each pair.
Where it answers a share of the requests, chance decided who answers, and each answer is weighed by one over that
chance. Both are about the same mean and are put together. Only questions old enough to be matured count, so that
labels which come early do not speak for those that come late. Nobody is asked what people did with an answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from outlast.journal import runs
from outlast.journal.reading import joined, predictions, shadows
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.registry.rollout import ANSWERING, Transition, transitions
from outlast.registry.versions import Version, find
from outlast.retraining.judging.ruling import BESIDE
from outlast.retraining.judging.sequential import Series, mean_of
from outlast.retraining.judging.told import Mean, Readout, Side
from outlast.retraining.judging.varying import Floats
from outlast.retraining.judging.worth import Scale, scale_of
from outlast.storage.ledger import Ledger
from outlast.types import ModelRef, duration, micros

MOST = 60_000
"""Questions that are looked at: of more, some drawn by their request, so that a look takes seconds at most."""
_HOUR = 3_600_000_000
_MICROSECOND = timedelta(microseconds=1)
_SAME = ("request_id", "key", "turn")
_THEIRS = ("decision", "rung", "score", "scores")
_BESIDE = "_beside"
READ = (
    *("server", "prediction_id", "request_id", "key", "at", "decide_at", "version", "asks", "features"),
    *("value", "known_at", "warnings", "cells", "took", *_THEIRS),
)


@dataclass(frozen=True)
class Stand:
    """A time in which a version stood beside another: as what, with which share of the requests in percent."""

    live: int
    stage: str
    share: float | None
    since: datetime
    until: datetime


def stands(ledger: Ledger, model: str, number: int, now: datetime) -> list[Stand]:
    """When a version stood beside what was live, without a break since it came there last."""
    return _stands(transitions(ledger, model), number, now)


def _stands(steps: Sequence[Transition], number: int, now: datetime) -> list[Stand]:
    found: list[Stand] = []
    ends = [step.at for step in steps[1:]] + [now]
    for step, end in zip(steps, ends, strict=True):
        if step.challenger != number or step.stage is None or step.to_version is None:
            found = found if step.to_version == number else []
        else:
            found = found if found and found[-1].live == step.to_version else []
            found.append(Stand(step.to_version, step.stage, step.share, step.at, end))
    return found


def read_out(workspace: Workspace, model: str, number: int, *, now: datetime) -> Readout | None:
    """What is known of a challenger now, or of one that went live since; None where it never stood beside anything."""
    stood = stands(workspace.ledger, model, number, now)
    if not stood:
        return None
    version = find(workspace.ledger, ModelRef(model, number))
    scale, drawn = scale_of(workspace, version), _share(workspace, model, stood)
    by = _By(scale, drawn, now, _promised(version))
    parts = [_part(workspace, model, number, one, by) for one in stood]
    pairs, agree = (sum(getattr(part, name) for part in parts) for name in ("pairs", "agree"))
    return Readout(
        model, stood[-1].live, number, stood[-1].stage, stood[0].since, scale.unit,
        _side([part.ours for part in parts]), _side([part.theirs for part in parts]),
        pairs, agree / pairs if pairs and scale.terms.task != "regression" else None,
        sum(part.matured for part in parts), sum(part.labelled for part in parts),
        mean_of(_series([part.gain for part in parts], stood[-1].stage)),
        _estimated([part.estimated for part in parts]),
        mean_of(_series([part.failing for part in parts], "ab")), drawn,
        _trouble(workspace.ledger, model, number, stood[0].since) or _silent(parts),
        _all_tables(parts), _mean(joined_up([part.late for part in parts])),
    )  # fmt: skip


def paired_before(
    workspace: Workspace, model: str, both: tuple[int, int], since: datetime, by: tuple[Scale, datetime]
) -> Series | None:
    """How much more a decision was worth of what is live since then than of another, while it stood beside that."""
    number, before = both
    steps = [step for step in transitions(workspace.ledger, model) if step.at < since]
    stood = [one for one in _stands(steps, number, since) if one.live == before]
    here = _By(by[0], _share(workspace, model, stood), by[1])
    return joined_up([_part(workspace, model, number, one, here).gain[0] for one in stood])


def _series(found: Sequence[tuple[Series | None, Series | None]], stage: str) -> list[Series]:
    """The pairs of all stages together, and what chance drew apart; this only where pairs are none, or not meant."""
    together = [joined_up([one[place] for one in found]) for place in (0, 1)]
    paired, apart = together
    if stage != "ab" and paired is not None and paired.rows:
        return [paired]
    return [one for one in (paired, apart) if one is not None]


def joined_up(parts: Sequence[Series | None]) -> Series | None:
    """Series about the same mean, of different times, as one."""
    known = [one for one in parts if one is not None]
    if not known:
        return None
    hours, values = (np.concatenate([getattr(one, name) for one in known]) for name in ("hours", "values"))
    return Series(hours, values, max(one.bound for one in known))


def _mean(series: Series | None) -> Mean | None:
    return None if series is None else mean_of([series])


def _silent(parts: Sequence["_Part"]) -> str | None:
    """Servers asked it, and it mostly did not answer."""
    asked, pairs = sum(part.asked for part in parts), sum(part.pairs for part in parts)
    if asked < BESIDE or pairs >= asked / 2:
        return None
    return f"it answered {pairs:,} of {asked:,} questions that it was asked beside what is live"


def _all_tables(parts: Sequence["_Part"]) -> bool:
    """Enough was answered, and all of it for tables: nobody could have asked it beside what is live."""
    answers = sum(len(part.ours[1]) for part in parts)
    return answers >= BESIDE and answers == sum(part.scored for part in parts)


def _trouble(ledger: Ledger, model: str, number: int, since: datetime) -> str | None:
    """What servers say who could not load it, unless one has since."""
    failed = [one for one in served.troubles(ledger, model) if one.version == number and one.at >= since]
    spans = [one.since for one in served.history(ledger, model) if one.version == number and one.since >= since]
    if not failed or any(span > failed[-1].at for span in spans):
        return None
    return f"{failed[-1].server} could not load it: {failed[-1].says}"


@dataclass(frozen=True, eq=False)
class _Part:
    """What one stage tells; the two series are pairs, and answers that chance drew apart."""

    ours: tuple[Floats, pl.Series]
    theirs: tuple[Floats, pl.Series]
    asked: int
    scored: int
    """How many answers of what is live were for rows of tables."""
    pairs: int
    agree: int
    matured: int
    labelled: int
    estimated: Floats
    gain: tuple[Series | None, Series | None]
    failing: tuple[Series | None, Series | None]
    late: Series | None


@dataclass(frozen=True, eq=False)
class _Told:
    """What several answers say: the worth of each that is priced, the rungs, and a series of each."""

    worth: Floats
    rungs: pl.Series
    gain: Series
    failing: Series
    estimated: Floats = field(default_factory=lambda: np.zeros(0))
    late: Series | None = None


@dataclass(frozen=True)
class _By:
    """By what answers are judged: their worth, which share of them, as of when, and how long one may take."""

    scale: Scale
    drawn: float
    now: datetime
    promised: timedelta | None = None


def _promised(version: Version) -> timedelta | None:
    p99 = version.summary["contract"]["serving"]["p99"]
    return None if p99 is None else duration(p99)


def _part(workspace: Workspace, model: str, number: int, stood: Stand, by: _By) -> _Part:
    scale, drawn, now = by.scale, by.drawn, by.now
    frame = joined(workspace, model, stood.since, stood.until, clock="at", as_of=now)
    rows = _drawn(frame, drawn).select(READ).filter(pl.col("version").is_in([stood.live, number])).collect()
    beside = _drawn(shadows(workspace, model, stood.since, stood.until), drawn)
    said = beside.filter(pl.col("version") == number).select("request_id", "key", *_THEIRS).collect()
    mine = rows.filter(pl.col("version") == stood.live)
    both = _turned(mine).join(_turned(said), on=_SAME, how="inner", nulls_equal=True, suffix=_BESIDE)
    paired = _paired(both.sort("at"), scale, now) if stood.stage != "ab" else None
    apart = _apart(rows, number, stood.share or 50.0, by) if stood.stage in ANSWERING else None
    servers = [one.server for one in served.history(workspace.ledger, model) if one.version == number]
    asked = mine.filter(pl.col("server").is_in(servers)).height if stood.stage != "ab" else 0
    matured, labelled = _coverage(rows, scale, now)
    live = scale.worths(mine, now)
    theirs = [one for one in (paired, apart) if one is not None]
    scored, alike = (mine["server"] == runs.SCORING).sum(), (both["decision"] == both[f"decision{_BESIDE}"]).sum()
    return _Part(
        (live[np.isfinite(live)], mine["rung"]),
        (np.concatenate([one.worth for one in theirs]), pl.concat([one.rungs for one in theirs])),
        asked, int(scored), both.height if paired else 0, int(alike),
        matured, labelled, np.zeros(0) if paired is None else paired.estimated,
        (None if paired is None else paired.gain, None if apart is None else apart.gain),
        (None if paired is None else paired.failing, None if apart is None else apart.failing),
        None if apart is None else apart.late,
    )  # fmt: skip


def _paired(both: pl.DataFrame, scale: Scale, now: datetime) -> _Told:
    """Both answered: the difference of each pair."""
    theirs = both.drop(_THEIRS).rename({f"{name}{_BESIDE}": name for name in _THEIRS})
    live, beside = scale.worths(both, now), scale.worths(theirs, now)
    known, hours = np.isfinite(live) & np.isfinite(beside), hours_of(both)
    gain = Series(hours[known], (beside - live)[known], scale.paired)
    failing = Series(hours, _lower(theirs) - _lower(both), 1.0)
    return _Told(beside[known], theirs["rung"], gain, failing, _expected(both, theirs, scale))


def _expected(ours: pl.DataFrame, theirs: pl.DataFrame, scale: Scale) -> Floats:
    """How much more a decision is expected to be worth, pair by pair; nothing where that cannot be said."""
    chances = ((ours["score"] + theirs["score"]) / 2).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    both = [scale.expected(one["decision"], chances) for one in (theirs, ours)]
    if both[0] is None or both[1] is None:
        return np.zeros(0)
    apart = both[0] - both[1]
    return np.asarray(apart[np.isfinite(apart)], np.float64)


def _estimated(parts: Sequence[Floats]) -> float | None:
    known = np.concatenate(parts) if parts else np.zeros(0)
    return float(known.mean()) if len(known) else None


def _apart(rows: pl.DataFrame, number: int, percent: float, by: _By) -> _Told:
    """Either answered, by chance: each answer weighs one over its chance, after a guess that rests on hours before."""
    scale, share = by.scale, percent / 100
    worth, theirs = scale.worths(rows, by.now), (rows["version"] == number).to_numpy()
    hours, known, least = hours_of(rows), np.isfinite(worth), min(share, 1 - share)
    weights = np.where(theirs, 1 / share, -1 / (1 - share))
    gain = weights[known] * (worth[known] - _means_before(hours[known], worth[known]))
    fails = weights * (_lower(rows) - _means_before(hours, _lower(rows)))
    return _Told(
        worth[known & theirs], rows["rung"].filter(pl.Series(theirs)),
        Series(hours[known], gain, scale.apart / least), Series(hours, fails, 1 / least),
        late=None if by.promised is None else _late(rows, pl.Series(theirs), by.promised),
    )  # fmt: skip


def _late(rows: pl.DataFrame, theirs: pl.Series, promised: timedelta) -> Series | None:
    """How much more often it takes longer than promised than what is live did in the same hour, or in all of them
    where that answered nothing then.

    Nobody knows it of rows of tables, and of what earlier releases kept.
    """
    timed = rows.select(
        pl.Series("hour", hours_of(rows)), theirs.alias("theirs"), late=pl.col("took") > promised // _MICROSECOND
    ).drop_nulls("late")
    live, mine = timed.filter(~pl.col("theirs")), timed.filter("theirs")
    if live.is_empty() or mine.is_empty():
        return None
    usual = live.group_by("hour").agg(usual=pl.col("late").mean())
    mine = mine.join(usual, on="hour", how="left", maintain_order="left")
    apart = mine["late"].cast(pl.Float64) - mine["usual"].fill_null(live["late"].mean())
    return Series(mine["hour"].to_numpy(), apart.to_numpy(), 1.0)


def _means_before(hours: Any, values: Floats) -> Floats:
    """The mean of all values of earlier hours, for each value; of the first hour nothing is known."""
    if not len(values):
        return values
    _, of = np.unique(hours, return_inverse=True)
    sums, rows = np.cumsum(np.bincount(of, values)), np.cumsum(np.bincount(of))
    return np.asarray(np.r_[0.0, (sums / rows)[:-1]][of], np.float64)


def _coverage(rows: pl.DataFrame, scale: Scale, now: datetime) -> tuple[int, int]:
    """How many questions are old enough, and for how many of these a label is here."""
    edge = micros(now - scale.terms.maturity)
    ripe = rows.filter(pl.col("decide_at").dt.epoch("us") <= edge)
    return ripe.height, int(ripe["value"].is_not_null().sum())


def _lower(rows: pl.DataFrame) -> Floats:
    return np.asarray((rows["rung"] != "full").fill_null(True).to_numpy(), np.float64)


def hours_of(rows: pl.DataFrame) -> Any:
    """The hour in which each row was decided, counted from 1970."""
    return (rows["decide_at"].dt.epoch("us") // _HOUR).to_numpy()


def _turned(rows: pl.DataFrame) -> pl.DataFrame:
    """With the place of each row among those of its request and key, which the shadow answered in the same order."""
    return rows.with_columns(pl.int_range(pl.len()).over("request_id", "key").alias("turn"))


def _side(parts: Sequence[tuple[Floats, pl.Series]]) -> Side:
    worths = np.concatenate([worth for worth, _ in parts]) if parts else np.zeros(0)
    lower = sum(int((rungs != "full").sum()) for _, rungs in parts)
    mean = float(worths.mean()) if len(worths) else None
    return Side(sum(len(rungs) for _, rungs in parts), len(worths), mean, lower)


def _drawn(frame: pl.LazyFrame, share: float) -> pl.LazyFrame:
    if share >= 1.0:
        return frame
    return frame.filter(pl.col("request_id").hash(seed=7) < int(share * (2**64 - 1)))


def _share(workspace: Workspace, model: str, stood: Sequence[Stand]) -> float:
    rows = sum(_counts(workspace, model, stood))
    return min(1.0, MOST / rows) if rows else 1.0


def _counts(workspace: Workspace, model: str, stood: Sequence[Stand]) -> Iterator[int]:
    for one in stood:
        frame = predictions(workspace, model, one.since, one.until, clock="at")
        yield int(frame.select(pl.len()).collect().item())
