"""A bank of bets: evidence of every stream, carried from check to check, and one threshold for all of them.

    R[t, i] = (R[t-1, i] + 1) e[t, i]        Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo 2024), in logarithms
    R[t]    = sum over streams and bets of their weights times R[t, i], weights summing to 1

If every conditional mean stays at or below its limit, R[t] - t is a supermartingale, so that the chance of any alarm
within T checks is at most T / A (Doob), whatever the streams have to do with each other. An alarm names the streams
that hold the evidence and starts them anew; what is left is below A / 100, so alarms cost at least 0.99 A each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.errors import StorageError
from outlast.monitoring.detecting.bets import Bet, Bets
from outlast.monitoring.detecting.course import Jumps
from outlast.monitoring.detecting.streams import Fold, Severity
from outlast.monitoring.detecting.tables import Floats, Ints, Season, slot_of

_LEFT = 0.01
_NEVER = -np.inf
_FLOOR = -1e300


@dataclass(frozen=True)
class Alarm:
    """Evidence that a stream has moved. Nothing here says that it matters: that is harm's."""

    severity: Severity
    family: str
    stream: str
    bet: Bet
    """The bet that won most."""
    log_evidence: float
    """The logarithm of the bank's R, which the threshold bounds."""
    log_threshold: float
    share: float
    """How much of R is this stream's."""
    at: int
    """When the check began, in seconds since 1970, as it was given to `step`."""
    since: int
    """The first check of the winning bet's present run: the onset."""
    rows: int
    """How many rows it took since then."""
    checks: int
    """How many checks the bank has made."""


@dataclass(frozen=True, eq=False)
class Track:
    """What a family remembers, [stream, bet]; `began` and `rows` are of the run that is still on."""

    keys: tuple[str, ...]
    bets: tuple[Bet, ...]
    log_r: Floats
    log_m: Floats
    began: Ints
    rows: Floats
    course: Floats | None = None
    """The course of streams that are held against theirs, [stream, functional, 4]."""

    @classmethod
    def fresh(cls, family: "Family") -> "Track":
        bets = tuple(family.bets.names)
        shape = (len(family.keys), len(bets))
        course = family.bets.begin() if isinstance(family.bets, Jumps) else None
        runs = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape)
        return cls(family.keys, bets, np.full(shape, _NEVER), *runs, course)


@dataclass(frozen=True, eq=False)
class State:
    """What a bank remembers from one check to the next."""

    tracks: Mapping[str, Track]
    checks: int = 0


@dataclass(frozen=True, eq=False)
class Family:
    """Streams that are bet on alike: reads one table of each check."""

    name: str
    source: str
    keys: tuple[str, ...]
    bets: Bets | Jumps
    season: Season
    effects: Floats
    """phi of each stream: so many rows are taken for one."""
    prior: Floats
    """The share of the bank's weight that each stream has."""
    fold: Fold | None = None

    def weights(self, slot: int) -> Floats:
        """[stream, cell, bet] of one hour of the week."""
        if isinstance(self.bets, Jumps):
            raise TypeError(f"the bets of '{self.name}' follow the course: no hour of the week has weights of theirs")
        return self.bets.weights(self.season.at(slot))

    @cached_property
    def lasting(self) -> Floats:
        """The weights of a family without a season: theirs never change."""
        return self.weights(0)

    def paying(self, slot: int) -> tuple[Floats, ...]:
        """What an hour of the week pays, worked out the first time that it comes."""
        if isinstance(self.bets, Jumps):
            raise TypeError(f"the bets of '{self.name}' follow the course: no hour of the week pays the same again")
        if slot not in self._paying:
            self._paying[slot] = self.bets.paying(self.season.at(slot))
        return self._paying[slot]

    @cached_property
    def _paying(self) -> dict[int, tuple[Floats, ...]]:
        return {}

    @cached_property
    def log_weight(self) -> Floats:
        """[stream, bet]: the logarithm of each bet's part of the bank."""
        return _log(self.bets.weight * self.prior[:, None])

    def folded(self, counts: npt.NDArray[Any]) -> Floats:
        return np.asarray(counts if self.fold is None else self.fold(counts), np.float64)


@dataclass(frozen=True, eq=False)
class Bank:
    """Families under one threshold."""

    severity: Severity
    families: tuple[Family, ...]
    log_threshold: float

    def begin(self) -> State:
        """The state before the first check."""
        return State({one.name: Track.fresh(one) for one in self.families})

    def resume(self, state: State) -> State:
        """A state of this or an earlier plan: streams that are still watched go on, new ones begin, others go.

        New limits are allowed at any check, since they do not depend on what comes after it.
        """
        found = {}
        for one in self.families:
            fresh = Track.fresh(one)
            old = state.tracks.get(one.name)
            found[one.name] = fresh if old is None else _matched(fresh, old)
        return State(found, state.checks)

    def step(self, state: State, counts: Mapping[str, npt.NDArray[Any]], at: int) -> tuple[State, list[Alarm]]:
        """One check that began at a second: the state after it, and who alarms.

        A table that is not in `counts` had no rows. A check is held against the hour of the week it began in, as the
        blocks of the past are.
        """
        tracks = {}
        for one in self.families:
            tracks[one.name] = self._stepped(one, state.tracks[one.name], counts.get(one.source), at)
        after = State(tracks, state.checks + 1)
        return self._judged(after, at)

    def log_r(self, state: State) -> float:
        """The bank's evidence."""
        parts = [_totals(state.tracks[one.name], one) for one in self.families]
        return float(np.logaddexp.reduce(np.concatenate(parts))) if parts else _NEVER

    def _stepped(self, one: Family, track: Track, given: npt.NDArray[Any] | None, at: int) -> Track:
        if given is None or not np.any(given):
            nothing = np.zeros((len(one.keys), len(one.bets.names))), np.zeros(len(one.keys))
            return _advanced(track, *nothing, at)
        counts = one.folded(given)
        if len(counts) != len(one.keys):
            raise StorageError(
                f"The counts of '{one.source}' have {len(counts)} streams, the plan watches {len(one.keys)}: "
                "count them by the plan's keys, in its order"
            )
        if isinstance(one.bets, Jumps):
            found, course = one.bets.step(one.bets.begin() if track.course is None else track.course, counts, at)
            track = replace(track, course=course)
        elif one.season.by_slot is not None:
            found = one.bets.evidence(counts, one.paying(int(slot_of(at))))
        else:
            found = np.matmul(counts[:, None, :], one.lasting)[:, 0, :]
        return _advanced(track, found / one.effects[:, None], counts.sum(axis=1), at)

    def _judged(self, state: State, at: int) -> tuple[State, list[Alarm]]:
        totals = {one.name: _totals(state.tracks[one.name], one) for one in self.families}
        flat = np.concatenate(list(totals.values())) if totals else np.zeros(0)
        whole = float(np.logaddexp.reduce(flat)) if len(flat) else _NEVER
        if whole < self.log_threshold:
            return state, []
        named = _holders(flat, self.log_threshold)
        alarms, tracks, first = [], dict(state.tracks), 0
        for one in self.families:
            mine = np.flatnonzero(named[first : first + len(one.keys)])
            first += len(one.keys)
            shares = np.exp(np.minimum(0.0, totals[one.name][mine] - whole))
            for stream, share in zip(mine, shares, strict=True):
                place = int(np.argmax(state.tracks[one.name].log_r[stream] + _log(one.bets.weight[stream])))
                alarms.append(self._alarm(one, state, (int(stream), place), (whole, float(share), at)))
            tracks[one.name] = _reset(tracks[one.name], mine)
        alarms.sort(key=lambda alarm: (-alarm.share, alarm.family, alarm.stream))
        return replace(state, tracks=tracks), alarms

    def _alarm(self, one: Family, state: State, where: tuple[int, int], what: tuple[float, float, int]) -> Alarm:
        track, (whole, share, at) = state.tracks[one.name], what
        since, rows = int(track.began[where]), round(float(track.rows[where]))
        return Alarm(self.severity, one.name, one.keys[where[0]], one.bets.names[where[1]], whole,
                     self.log_threshold, share, at, since, rows, state.checks)  # fmt: skip


def _advanced(track: Track, log_e: Floats, rows: Floats, at: int) -> Track:
    """Shiryaev-Roberts, and Page's CUSUM beside it: its last moment at 1 is the onset."""
    idle = track.log_m <= 0
    began = np.where(idle, at, track.began)
    seen = np.where(idle, 0.0, track.rows) + rows[:, None]
    log_m = np.maximum(track.log_m, 0.0) + log_e
    return replace(track, log_r=_with_one(track.log_r) + log_e, log_m=log_m, began=began, rows=seen)


def _with_one(log_r: Floats) -> Floats:
    """log(R + 1)"""
    return np.asarray(np.maximum(log_r, 0.0) + np.log(1.0 + np.exp(-np.abs(log_r))), np.float64)


def _totals(track: Track, family: Family) -> Floats:
    """log of each stream's weighted R."""
    parts = track.log_r + family.log_weight
    most = parts.max(axis=1, initial=_FLOOR)
    return np.asarray(most + _log(np.exp(parts - most[:, None]).sum(axis=1)), np.float64)


def _log(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(values)


def _holders(totals: Floats, log_threshold: float) -> npt.NDArray[np.bool_]:
    """The fewest streams without which a hundredth of the threshold is not reached."""
    order = np.argsort(-totals, kind="stable")
    left = np.logaddexp.accumulate(totals[order][::-1])[::-1]
    named = np.zeros(len(totals), bool)
    named[order[left >= log_threshold + np.log(_LEFT)]] = True
    return named


def _reset(track: Track, streams: npt.NDArray[np.intp]) -> Track:
    log_r, log_m, rows = track.log_r.copy(), track.log_m.copy(), track.rows.copy()
    log_r[streams], log_m[streams], rows[streams] = _NEVER, 0.0, 0.0
    return replace(track, log_r=log_r, log_m=log_m, rows=rows)


def _matched(fresh: Track, old: Track) -> Track:
    """Bets of another grid are other bets: then all begin anew."""
    if old.bets != fresh.bets:
        return fresh
    places = {key: place for place, key in enumerate(old.keys)}
    pairs = [(here, places[key]) for here, key in enumerate(fresh.keys) if key in places]
    if not pairs:
        return fresh
    here, there = (np.array(side) for side in zip(*pairs, strict=True))
    found = {name: getattr(fresh, name).copy() for name in ("log_r", "log_m", "began", "rows")}
    if fresh.course is not None and old.course is not None:
        found["course"] = fresh.course.copy()
    for name, values in found.items():
        values[here] = getattr(old, name)[there]
    return replace(fresh, **found)
