"""What a decision between two is worth by the threshold above which it falls, and with so many a day at most.

The payoffs imply a threshold where chances are right. The best one by what the rows earned says what is lost where they
are not; it is chosen on one half of the rows and valued on the other, and the other way round, so it cannot flatter
itself.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.training.evaluation.intervals import Floats, Z, mean_of
from outlast.training.evaluation.value import Scored, baseline, decided, decision_worth, expected, realised
from outlast.types import counted

_POINTS = 60
_DAY = 86_400_000_000


def thresholds(scored: Scored, implied: float | None, seed: int) -> dict[str, Any] | None:
    """Value per decision above the baseline by threshold; None unless two decisions with payoffs stand over yes and no.

    `above` is decided from the threshold on, `below` under it. `best` is {threshold, value}: the threshold of all rows,
    the value of rows that had no part in choosing; `gain` is that value above the one of the `implied` threshold.
    """
    if scored.task != "binary" or len(scored.payoff) != 2:
        return None
    above, below = _order(scored)
    worth, against = realised(scored), decision_worth(scored, baseline(scored))
    gain, rest = worth[above] - worth[below], worth[below] - against
    chance, names = scored.table[:, 1], list(scored.payoff)
    crossed = _crossfitted(chance, gain, rest, seed)
    ours = decision_worth(scored, decided(scored)) - against
    return {
        "above": names[above],
        "below": names[below],
        "curve": _curve(chance, gain, rest),
        "implied": {"threshold": implied, "value": mean_of(ours)},
        "best": {"threshold": float(_best(chance, gain)), "value": mean_of(crossed)},
        "gain": mean_of(crossed - ours),
        "currency": scored.contract.value.currency,
    }


def capacity(scored: Scored, at: Floats | None, share: float) -> dict[str, Any] | None:
    """What acting on the best so many a day would have been worth; None where the contract names no capacity.

    `at` are moments in microseconds, `share` is the part of each day's questions that was tested: where rows were drawn
    at random, people can act on the same part of what they can do in a day.
    """
    most = scored.contract.value.capacity
    if most is None:
        return None
    lacking = _lacking(scored, at)
    if lacking is not None or at is None:
        return {"a_day": most, "reason": lacking}
    worth, hope = realised(scored), expected(scored)
    tempted = hope[0] - hope[-1]
    day = np.asarray(at // _DAY, dtype=np.int64)
    acted = _best_of_each(day, tempted, max(1, round(most * share)))
    earned = np.where(acted, worth[0], worth[-1]) - decision_worth(scored, baseline(scored))
    wanted, days = int((tempted > 0).sum()), len(np.unique(day))
    return {
        "a_day": most,
        "reason": None,
        "assumes": _assumes(share),
        "decision": next(iter(scored.payoff)),
        "threshold": _edge(scored, acted),
        "value": mean_of(earned),
        "share": float(acted.mean()),
        "days": days,
        "full_days": int((np.unique(day[acted], return_counts=True)[1] >= max(1, round(most * share))).sum()),
        "wanted_a_day": wanted / days / share,
        "acted_a_day": float(acted.sum()) / days / share,
        "currency": scored.contract.value.currency,
    }


def _order(scored: Scored) -> tuple[int, int]:
    """Which decision a high chance of yes speaks for, and the other."""
    leaning = []
    for amounts in scored.payoff.values():
        yes, no = (scored.amount(amounts[outcome]) for outcome in ("yes", "no"))
        leaning.append(float(np.mean(yes)) - float(np.mean(no)))
    return (0, 1) if leaning[0] >= leaning[1] else (1, 0)


def _curve(chance: Floats, gain: Floats, rest: Floats) -> list[dict[str, float]]:
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, _POINTS), method="lower"))
    points = [0.0, *edges.tolist(), 1.0] if edges[-1] < 1 else [0.0, *edges.tolist()]
    order = np.argsort(chance, kind="stable")
    first = np.searchsorted(chance[order], np.unique(points), side="left")
    mean, square = (_from(values[order], (rest if n == 1 else rest**2).sum(), first) for n, values in
                    enumerate((gain, (gain + rest) ** 2 - rest**2), start=1))  # fmt: skip
    rows = len(chance)
    half = Z * np.sqrt(np.maximum(square / rows - (mean / rows) ** 2, 0.0) / max(rows - 1, 1))
    return [
        {"threshold": float(edge), "value": float(value), "low": float(value - spread), "high": float(value + spread),
         "share": float(1 - place / rows)}
        for edge, value, spread, place in zip(np.unique(points), mean / rows, half, first, strict=True)
    ]  # fmt: skip


def _from(values: Floats, rest: float, first: npt.NDArray[Any]) -> Floats:
    """For each place, the sum of the values from there on, and the rest."""
    before = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(before[-1] - before[first] + rest, dtype=np.float64)


def _best(chance: Floats, gain: Floats) -> float:
    """The threshold from which on acting earned most; above 1 where it never pays."""
    order = np.argsort(chance, kind="stable")
    values, edges = gain[order], chance[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(edges) > 0]))
    earned = np.concatenate([_from(values, 0.0, starts), [0.0]])
    best = int(np.argmax(earned))
    return _between(edges, int(starts[best])) if best < len(starts) else float(np.nextafter(1.0, 2.0))


def _between(edges: Floats, start: int) -> float:
    """Halfway to the chance below: as near to the one as to the other."""
    return float((edges[start - 1] + edges[start]) / 2) if start else 0.0


def _crossfitted(chance: Floats, gain: Floats, rest: Floats, seed: int) -> Floats:
    """What each row earned under the threshold that was best on the other half of the rows."""
    half = np.random.default_rng(seed).permutation(len(chance)) % 2 == 0
    earned = rest.copy()
    for here in (half, ~half):
        edge = _best(chance[~here], gain[~here]) if (~here).any() else 0.0
        earned[here] += np.where(chance[here] >= edge, gain[here], 0.0)
    return earned


def _lacking(scored: Scored, at: Floats | None) -> str | None:
    if scored.task == "regression" or not scored.payoff:
        return "the contract names no payoffs of decisions, so it cannot be said which ones to act on"
    if len(scored.payoff) != 2:
        return f"the contract has {counted(len(scored.payoff), 'decision')}: a capacity is of two, acting and not"
    return "the questions have no time, so it cannot be said how many come in a day" if at is None else None


def _assumes(share: float) -> str:
    if share >= 1:
        return "every question of a day is known before the best of them are acted on"
    return (
        f"every question of a day is known before the best of them are acted on, and the rows tested are {share:.0%} "
        "of each day's, so the same part of the capacity is theirs"
    )


def _best_of_each(day: npt.NDArray[np.int64], tempted: Floats, most: int) -> npt.NDArray[np.bool_]:
    """The rows of each day with most to gain, as many as can be acted on, none that is expected to cost."""
    order = np.lexsort((-tempted, day))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(day[order]) > 0]))
    place = np.arange(len(day)) - np.repeat(starts, np.diff([*starts, len(day)]))
    acted = np.zeros(len(day), dtype=np.bool_)
    acted[order] = place < most
    return acted & (tempted > 0)


def _edge(scored: Scored, acted: npt.NDArray[np.bool_]) -> float | None:
    """The chance of yes from which on as many would be acted on over the whole time."""
    if scored.task != "binary" or not acted.any():
        return None
    chance = scored.table[:, 1] if _order(scored)[0] == 0 else -scored.table[:, 1]
    return abs(float(np.sort(chance)[-int(acted.sum())]))
