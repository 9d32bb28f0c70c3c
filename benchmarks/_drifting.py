"""Twenty worlds for the loop: each 240 days of questions with what turned out, in which something moves, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

DAYS, BEFORE, MOVED = 240, 60, 110
"""Days in all, days before the first model goes live, and the day on which most of what moves does so."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """What is known of each question when it is asked, what turns out, and its day; known `delay` days later."""

    name: str
    x: Floats
    y: npt.NDArray[np.int64]
    told: npt.NDArray[np.int64]
    """What the label says; mostly what turned out."""
    day: npt.NDArray[np.int64]
    delay: int = 2


Weights = Callable[[Floats], Floats]
_W = np.array([0.9, 0.6, -0.4, 0.3, 0.0])


def _turned(share: Floats) -> Floats:
    """Weights of which a share has turned into others."""
    other = np.array([-0.5, 0.9, 0.4, 0.3, 0.0])
    return (1 - share)[:, None] * _W + share[:, None] * other


def _world(name: str, seed: int, *, daily: int = 200, base: float = -1.0, delay: int = 2, **moves: Any) -> World:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), daily)
    x = rng.normal(size=(len(day), 5))
    if "inputs" in moves:
        x[:, 0] += np.where(day >= MOVED, moves["inputs"], 0.0)
    odds = np.full(len(day), base) + rng.normal(0, moves.get("storm", 0.2), DAYS)[day]
    odds += np.where(day >= MOVED, moves.get("shift", 0.0), 0.0)
    share = moves.get("turn", lambda day: np.zeros(len(day)))(day.astype(np.float64))
    odds += (_turned(share) * np.tanh(x) * 1.5).sum(axis=1)
    y = (rng.random(len(day)) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    if "noise" in moves:
        drawn = (day >= MOVED) & (rng.random(len(day)) < moves["noise"])
        y = np.where(drawn, rng.integers(0, 2, len(day)), y)
    told = np.where(np.isin(day, moves.get("lies", ())), 1 - y, y)
    seen = x.copy()
    if "scale" in moves:
        seen[:, 0] *= np.where(day >= MOVED, moves["scale"], 1.0)
    seen[np.isin(day, moves.get("silent", ())), 0] = 0.0
    return World(name, seen, y, told, day, delay)


def _step(day: Floats) -> Floats:
    return (day >= MOVED).astype(np.float64)


def _wander(day: Floats) -> Floats:
    walk = np.abs(np.cumsum(np.random.default_rng(99).normal(0, 0.09, DAYS)))
    return np.clip(np.where(day < BEFORE, 0.0, walk[day.astype(int)]), 0, 1.2)


def _season(day: Floats) -> Floats:
    return 0.5 - 0.5 * np.cos(2 * np.pi * (day - BEFORE) / 90) * (day >= BEFORE)


def worlds() -> list[World]:
    """All twenty, seeded."""
    fortnight = tuple(range(MOVED, MOVED + 14))
    return [
        *(_world(f"nothing moves, {seed}", seed) for seed in (1, 2, 3)),
        _world("storms", 4, storm=1.0),
        _world("a turn", 5, turn=_step),
        _world("a turn, and back after 40 days", 6, turn=lambda d: _step(d) * (d < MOVED + 40)),
        _world("a slow turn", 7, turn=lambda d: np.clip((d - BEFORE) / (DAYS - BEFORE), 0, 1)),
        _world("weights wander", 8, turn=_wander),
        _world("seasons of 90 days", 9, turn=_season),
        _world("to and fro every 25 days", 10, turn=lambda d: ((d - BEFORE) // 25 % 2 == 1) * (d >= BEFORE) * 1.0),
        _world("inputs move", 11, inputs=1.5),
        _world("fewer yes", 12, shift=-1.0),
        _world("more yes", 13, shift=1.0),
        _world("noise", 14, noise=0.3),
        _world("a feed is silent for 30 days", 15, silent=tuple(range(MOVED, MOVED + 30))),
        _world("a feed in other units", 16, scale=3.0),
        _world("a turn, labels ten days late", 17, turn=_step, delay=10),
        _world("a turn, 40 questions a day", 18, turn=_step, daily=40),
        _world("a turn, yes is rare", 19, turn=_step, base=-3.0),
        _world("labels lie for a fortnight", 20, lies=fortnight),
    ]
