"""What an alarm says: which stream, since when, and the two numbers that differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.profile import ABOVE, BELOW, BINS, MISSING, OTHER, UNSEEN, Bins
from outlast.monitoring import evidence
from outlast.monitoring.causes.units import conversion_of
from outlast.monitoring.checking.reference import Watched
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.detecting.bank import Alarm
from outlast.types import counted, moment

Ints = npt.NDArray[np.int64]

_ACCEPTED = re.compile(r"!\d+$")
"""How the name of a stream ends that is held against what was accepted."""

_TABLES = {"rates": "features", "ranges": "features", "jumps": "course", "volume out of range": "volume"}
"""The table of a family, where it is called otherwise."""
KINDS = {
    "features": "feature-drift",
    "ranges": "feature-drift",
    "jumps": "feature-jump",
    "rates": "data-quality",
    "scores": "score-drift",
    "calibration": "calibration",
    "loss": "loss",
    "slices": "slice",
    "estimated": "estimated-loss",
    "leaves": "multivariate",
    "outcomes": "label-drift",
    "volume": "volume",
    "volume out of range": "volume",
}
"""The kind of finding that a family's alarm becomes."""
ASKED = frozenset({"features", "ranges", "jumps", "rates", "leaves", "volume", "volume out of range"})
"""Families that look at what is asked, and not at what became of it."""
LATELY = timedelta(days=4)
"""How much of what came before a jump its sentence holds it against."""
_MOST = 3
"""Stretches of values that a sentence names."""
_RATES = {
    MISSING: "missing",
    UNSEEN: "never seen before",
    BELOW: "below the reference's range",
    ABOVE: "above the reference's range",
}


@dataclass(frozen=True, eq=False)
class Told:
    """An alarm with what came since its onset: the counts of the version, and of its features in all versions."""

    alarm: Alarm
    watched: Watched
    counts: Counts
    features: Ints
    lately: Ints | None = None
    """The features' counts of the days before its onset, of an alarm that holds them against those."""

    @property
    def since(self) -> datetime:
        """The beginning of the first check that the evidence rests on."""
        return since_of(self.alarm)

    @property
    def stream(self) -> str:
        """The stream's name, whatever it is held against."""
        return _ACCEPTED.sub("", self.alarm.stream)

    @property
    def accepted(self) -> bool:
        """Whether it departs from what was accepted as normal, and not from the promotion's reference."""
        return _ACCEPTED.search(self.alarm.stream) is not None

    @property
    def before(self) -> Ints:
        """The counts that it is held against."""
        table = self.watched.tables[_TABLES.get(self.alarm.family, self.alarm.family)]
        return np.asarray(table.counts[table.keys.index(self.alarm.stream)])

    @property
    def against(self) -> str:
        """What it is held against, in words."""
        return "in what was accepted" if self.accepted else "in the reference"


def column_of(told: Told) -> str | None:
    """The column that an alarm is about, where it is about one."""
    stream = told.stream
    if _TABLES.get(told.alarm.family, told.alarm.family) in ("features", "course"):
        return stream.rpartition("#")[0]
    if told.alarm.family == "slices":
        return stream.rpartition("@")[0]
    return "score" if told.alarm.family == "scores" else None


def sentence(told: Told) -> str:
    """One sentence with the numbers that show it."""
    alarm = told.alarm
    said = _SAY[alarm.family](told)
    return f"{said}, since {told.since:%Y-%m-%d %H:%M} UTC ({counted(alarm.rows, 'row')})"


def reach(told: Told) -> float | None:
    """The share of rows that a fault of data has reached, of faults that are shares of rows."""
    if told.alarm.family != "rates":
        return None
    _, now, before = _shaped(told)
    cell = told.alarm.bet.cells[0]
    parts = [float(counts[cell]) / total if (total := float(counts.sum())) else 0.0 for counts in (now, before)]
    return max(0.0, parts[0] - parts[1])


def since_of(alarm: Alarm) -> datetime:
    """The beginning of the first check that an alarm's evidence rests on."""
    return moment(alarm.since * 1_000_000)


def slice_words(watched: Watched, name: str) -> str:
    """A slice as a condition.

    `cell:origin:2`, `leaf:7`, `pair:3` and `word:origin=JFK` are its names.
    """
    kind, _, rest = name.partition(":")
    if kind == "word":
        column, _, word = rest.partition("=")
        return f"{column} is '{word}'"
    features = watched.profile.features
    if kind == "cell":
        feature, _, cell = rest.rpartition(":")
        bins = next(one for one in features if one.name == feature)
        return cell_words(bins, [int(cell)])
    if kind == "leaf":
        way = watched.past.tree.way(int(rest))
        return " and ".join(cell_words(features[place], cells) for place, cells in way) or "any row"
    first, one, second, other = watched.past.pairs.cells[int(rest)]
    return f"{cell_words(features[first], [one])} and {cell_words(features[second], [other])}"


def cell_words(bins: Bins, cells: Sequence[int]) -> str:
    """Some cells of a feature as a condition on its values."""
    if len(cells) == 1 and cells[0] in _RATES:
        return f"{bins.name} is {_RATES[cells[0]]}"
    if bins.kind == "category":
        named = [bins.categories[cell] for cell in cells if cell < min(OTHER, len(bins.categories))]
        rest = [word for other, word in ((OTHER, "rare"), (MISSING, "missing"), (UNSEEN, "new")) if other in cells]
        shown = [f"'{word}'" for word in named[:_MOST]]
        more = [f"{len(named) - _MOST} more"] if len(named) > _MOST else []
        return f"{bins.name} is {' or '.join([*shown, *more, *rest])}"
    parts = [_stretch(bins, run) for run in _runs(bins, cells)]
    if MISSING in cells:
        parts.append("missing")
    if len(parts) > _MOST:
        return f"{bins.name} is in {len(cells)} of its bins"
    return f"{bins.name} is {' or '.join(parts) or 'never seen before'}"


def _runs(bins: Bins, cells: Sequence[int]) -> list[list[int]]:
    """The cells of a number in order, neighbours together."""
    order = [BELOW, *range(max(0, len(bins.edges) - 1)), ABOVE]
    found: list[list[int]] = []
    for before, cell in zip([None, *order], order, strict=False):
        if cell not in cells:
            continue
        if found and before == found[-1][-1]:
            found[-1].append(cell)
        else:
            found.append([cell])
    return found


def _stretch(bins: Bins, run: list[int]) -> str:
    """Neighbouring cells as limits of values."""
    low = None if run[0] == BELOW else bins.edges[-1] if run[0] == ABOVE else bins.edges[run[0]]
    high = None if run[-1] == ABOVE else bins.edges[0] if run[-1] == BELOW else bins.edges[run[-1] + 1]
    if low is None:
        return "any number" if high is None else f"below {high:.4g}"
    return f"{low:.4g} or more" if high is None else f"from {low:.4g} to {high:.4g}"


def _shape(told: Told) -> str:
    bins, now, before = _shaped(told)
    bet = told.alarm.bet
    if bet.what == "location":
        chance = evidence.location(now, before)
        if chance is None:
            return f"{bins.name} has moved"
        word = "larger" if bet.direction == "up" else "smaller"
        return f"{bins.name}: a value is {word} than one {told.against} with chance {_of(bet.direction, chance):.0%}"
    if bet.what == "scale":
        word = "further from" if bet.direction == "up" else "closer to"
        return f"{bins.name}: values lie {word} the middle than {told.against}"
    cell = bet.cells[0]
    return f"{cell_words(bins, [cell])} in {_share(now, cell)} of rows, {told.against} in {_share(before, cell)}"


def _rate(told: Told) -> str:
    bins, now, before = _shaped(told)
    cell = told.alarm.bet.cells[0]
    return f"{bins.name} is {_RATES[cell]} in {_share(now, cell)} of rows, {told.against} in {_share(before, cell)}"


def _jump(told: Told) -> str:
    bins, now, _ = _shaped(told)
    place = list(told.watched.names.values()).index(told.stream)
    then = np.zeros_like(now) if told.lately is None else told.lately[place]
    if told.alarm.bet.what == "missing":
        shares = _share(now, MISSING), _share(then, MISSING)
        return f"{bins.name} jumped: missing in {shares[0]} of rows, in the days before in {shares[1]}"
    chance = evidence.location(now, then) if bins.kind == "number" else None
    if chance is None:
        return f"{bins.name} jumped: its values are others than in the days before"
    word = "larger" if told.alarm.bet.direction == "up" else "smaller"
    said = f"a value is {word} than one of the days before with chance {_of(told.alarm.bet.direction, chance):.0%}"
    unit = conversion_of(bins, now, then)
    return f"{bins.name} jumped: {said}" + ("" if unit is None else f", which looks like {unit.says}")


def _calibration(told: Told) -> str:
    cells = list(told.alarm.bet.cells)
    now, before = told.counts.graded[cells].sum(axis=0), told.before[cells].sum(axis=0)
    bins = told.watched.profile.scores
    where = "" if bins is None or len(cells) >= BINS else f" where {cell_words(bins, cells)}"
    return f"{_yes(now)} of outcomes are yes{where}, {told.against} {_yes(before)}"


def _loss(told: Told) -> str:
    return (
        f"a decision loses {_mean(told.counts.array('loss'))} of the most it can, {told.against} {_mean(told.before)}"
    )


def _slice(told: Told) -> str:
    watched, name = told.watched, told.stream.rpartition("@")[0]
    now = watched.slice_counts(told.counts)[watched.slices.index(name)]
    where = slice_words(watched, name)
    return f"where {where} a decision loses {_mean(now)} of the most it can, {told.against} {_mean(told.before)}"


def _estimated(told: Told) -> str:
    now = told.watched.estimated(told.counts.scores[None])[0]
    return f"by its scores a decision will lose {_mean(now)} of the most it can, {told.against} {_mean(told.before)}"


def _leaves(told: Told) -> str:
    leaf = told.alarm.bet.cells[0]
    now = told.counts.array("leaves").sum(axis=1)
    where = slice_words(told.watched, f"leaf:{leaf}")
    return f"{_share(now, leaf)} of rows are where {where}, {told.against} {_share(told.before, leaf)}"


def _outcomes(told: Told) -> str:
    return f"{_yes(told.counts.graded.sum(axis=0))} of outcomes are yes, {told.against} {_yes(told.before)}"


def _volume(told: Told) -> str:
    bet = told.alarm.bet
    if bet.what == "scale":
        word = "further from" if bet.direction == "up" else "closer to"
        return f"the number of rows an hour is {word} the usual than in the reference"
    low = bet.direction == "down" if bet.what == "location" else bet.cells[0] in (BELOW, *range(BINS // 2))
    return f"{'fewer' if low else 'more'} rows are asked than the hours of the week had in the reference"


_SAY = {
    "features": _shape,
    "scores": _shape,
    "rates": _rate,
    "ranges": _rate,
    "jumps": _jump,
    "calibration": _calibration,
    "loss": _loss,
    "slices": _slice,
    "estimated": _estimated,
    "leaves": _leaves,
    "outcomes": _outcomes,
    "volume": _volume,
    "volume out of range": _volume,
}


def _shaped(told: Told) -> tuple[Bins, Ints, Ints]:
    """The bins of an alarm's column, its counts since the onset, and the reference's."""
    if told.alarm.family == "scores":
        bins = told.watched.profile.scores
        assert bins is not None, "scores are watched where they have bins"
        return bins, told.counts.scores, told.before
    names = list(told.watched.names.values())
    place = names.index(told.stream)
    return told.watched.profile.features[place], told.features[place], told.before


def _of(direction: str, chance: float) -> float:
    return chance if direction == "up" else 1 - chance


def _share(counts: npt.NDArray[Any], cell: int) -> str:
    total = int(counts.sum())
    return "none" if not total else f"{counts[cell] / total:.1%}"


def _yes(sides: npt.NDArray[Any]) -> str:
    total = int(sides.sum())
    return "none" if not total else f"{sides[1] / total:.1%}"


def _mean(pair: npt.NDArray[Any]) -> str:
    """Rows and mills as a mean, of the most there is to lose."""
    rows, mills = int(pair[0]), int(pair[1])
    return "not known" if not rows else f"{mills / rows / 10:.1f}%"
