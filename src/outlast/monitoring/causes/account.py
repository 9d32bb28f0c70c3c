"""The account of a harm: its cost, what goes with it in order of likelihood, the rows that carry it, what to do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from outlast.monitoring.causes.case import Case, Ints
from outlast.monitoring.causes.faults import Fault, column_faults, moved_columns, source_faults
from outlast.monitoring.causes.onsets import Onset, ranked
from outlast.monitoring.causes.sharing import MOST, shared
from outlast.monitoring.causes.slicing import Slice, worst_slice
from outlast.monitoring.causes.split import Split, split, usual_loss
from outlast.monitoring.estimating import weighed
from outlast.types import listed

Action = Literal["fix feed", "recalibrate", "retrain", "ignore", "label"]
Kind = Literal["feed", "column", "shift", "outcomes", "strange rows"]

LABELLED = 200
"""Rows that are proposed to be labelled where nothing else tells what they lose."""
_LABELS = 100
"""Labels below which the loss is not known, and only what cells tell is said."""
_SHOWN = 4
_CARRIES = 0.15
"""The least part of a change that a fault's rows carry to stand before what else goes with it."""
_REAL = 2.0
_UNEVEN = 3.5
"""Standard deviations above which outcomes have changed in some rows and not in others of the same score."""
_Z = 1.96


@dataclass(frozen=True)
class Suspect:
    """Something that goes with the harm: its name (a source, a column, or what it is), and how much it may explain."""

    kind: Kind
    name: str
    says: str
    explains: float
    """Of the change of the loss; in the loss's own unit."""
    since: datetime | None = None


@dataclass(frozen=True)
class Account:
    """What is said of a harm. `cost` is a day's, with its interval, in money or, without any, in whole losses."""

    split: Split
    suspects: tuple[Suspect, ...]
    rows: Slice | None
    cost: tuple[float, float, float]
    action: Action
    sentence: str
    known: bool
    """Whether labels are here; if not, outcomes of equal rows are taken to be as before."""

    @property
    def first(self) -> Suspect | None:
        return self.suspects[0] if self.suspects else None


def account(case: Case) -> Account:
    """What goes with a harm, from counts, onsets and the past; nothing in it is proof of a cause."""
    known = case.labelled >= _LABELS
    table = case.graded if known else _as_before(case)
    parts = split(case.past.totals.by_leaf, table, effect=case.live.effect)
    suspects = tuple(_suspects(case, parts, known))
    worst = worst_slice(case) if known else None
    cost = _cost(case, parts)
    unknown = "" if known else weighed(case.past, case.live)[1]
    action = _action(case, parts, suspects, (cost, unknown))
    end = (cost, action, unknown)
    return Account(parts, suspects, worst, cost, action, _sentence(case, parts, suspects, worst, end), known)


def _as_before(case: Case) -> Ints:
    """What the live rows would lose if equal rows lost what they did."""
    leaves = case.live.leaves
    mills = np.round(1000 * leaves * usual_loss(case.past.totals.by_leaf)).astype(np.int64)
    return np.stack([leaves, mills], axis=-1)


def _suspects(case: Case, parts: Split, known: bool) -> list[Suspect]:
    """Faults of data that may explain the change first, then what the split says, then faults that explain little.

    Faults found to have begun after the harm come last: an onset is a guess, and what is at fault is worth mending.
    """
    before_harm = {one.stream for one in ranked(case.onsets, case.since)}
    told = {one.stream for one in case.onsets}
    every = column_faults(case)
    late = [one for one in every if one.columns[0] in told - before_harm]
    faults = [one for one in every if one not in late]
    moved = moved_columns(case)
    joined = source_faults(faults, case.sources, moved)
    hard = [_of_fault(one, case, parts, known) for one in joined]
    hard += [_of_feed(one, parts) for one in ranked(case.onsets, case.since) if one.kind == "feed"]
    hard.sort(key=lambda one: (one.kind != "feed", -one.explains, one.name))
    heavy = [one for one in hard if one.explains >= _CARRIES * max(parts.change, 0.0)]
    at_fault = {name for one in joined for name in one.columns}
    soft = _of_split(case, parts, [name for name in moved if name not in at_fault])
    light = [one for one in hard if one not in heavy]
    return [*heavy, *soft, *light, *(_of_fault(one, case, parts, known) for one in late)]


def _of_fault(fault: Fault, case: Case, parts: Split, known: bool) -> Suspect:
    name = fault.source if fault.is_feed and fault.source else fault.columns[0]
    if fault.is_feed:
        says = (
            f"{_named(fault.columns)} of source '{fault.source}' changed together: {fault.columns[0]} {_is(fault.what)}"
        )
    else:
        of = f" of source '{fault.source}'" if fault.source else ""
        says = f"{fault.columns[0]}{of} {_is(fault.what)}"
    explains = _carried(fault, case, parts, known)
    return Suspect("feed" if fault.is_feed else "column", name, says, explains, fault.since)


def _carried(fault: Fault, case: Case, parts: Split, known: bool) -> float:
    """What the rows at fault lose beyond what rows lost before; without labels, by their share of what cells tell."""
    place = [bins.name for bins in case.bins].index(fault.columns[0])
    if not known or case.found is None:
        return fault.share * max(parts.change, 0.0)
    now = case.found[place, list(fault.cells)].sum(axis=0)
    total = case.found[place].sum(axis=0)
    return float(now[1] / 1000 - now[0] * parts.before) / max(1.0, float(total[0])) * fault.share


def _of_feed(one: Onset, parts: Split) -> Suspect:
    says = f"the feed '{one.stream}' has been at fault since {one.since:%Y-%m-%d %H:%M}"
    return Suspect("feed", one.stream, says, max(parts.change, 0.0), one.since)


def _of_split(case: Case, parts: Split, moved: list[str]) -> list[Suspect]:
    """Columns that moved by what they carry of the mix, other outcomes, and rows never seen: the largest first."""
    names = [bins.name for bins in case.bins]
    begun = {one.stream: one.since for one in case.onsets}
    carried = shared(case.past, case.live, [names.index(name) for name in moved[:MOST]])
    found = [
        Suspect("shift", names[place], f"other values of {names[place]} than before", part, begun.get(names[place]))
        for place, part in carried.items()
        if part > 0
    ]
    top = sum(one.explains for one in found)
    if parts.mix > 0 and top > 0:
        found = [Suspect(o.kind, o.name, o.says, o.explains / top * parts.mix, o.since) for o in found]
    if parts.concept > _REAL * parts.errors["concept"]:
        says = "equal rows turn out otherwise than before"
        found.append(Suspect("outcomes", "outcomes", says, parts.concept, case.since))
    if parts.off_support > _REAL * parts.errors["off_support"] and parts.off_support > 0:
        says = "rows unlike any of the reference"
        found.append(Suspect("strange rows", "strange rows", says, parts.off_support, case.since))
    return sorted(found, key=lambda one: -one.explains)


def _cost(case: Case, parts: Split) -> tuple[float, float, float]:
    """A day's, with its interval of 95 of 100."""
    money = case.past.scale.money
    a_day = case.rows_per_day * (1.0 if money is None else 1000 * money)
    reach = _Z * parts.errors["change"]
    return a_day * parts.change, a_day * (parts.change - reach), a_day * (parts.change + reach)


def _action(
    case: Case, parts: Split, suspects: tuple[Suspect, ...], what: tuple[tuple[float, float, float], str]
) -> Action:
    cost, unknown = what
    first = suspects[0].kind if suspects else None
    if first in ("feed", "column"):
        return "fix feed"
    if unknown:
        return "label"
    if cost[2] < case.tolerance or (parts.change <= 0 and case.tolerance == 0):
        return "ignore"
    if first == "strange rows":
        return "label"
    if first == "outcomes" and _even(case, parts):
        return "recalibrate"
    return "retrain"


def _even(case: Case, parts: Split) -> bool:
    """Whether outcomes changed alike in all rows of a score, so that the score's own meaning is all that is off."""
    rows = case.graded[..., 0].astype(np.float64)
    by_score = np.divide(
        parts.by_concept.sum(axis=0), parts.shares.sum(axis=0), out=np.zeros(20), where=parts.shares.sum(axis=0) > 0
    )
    left = parts.by_concept - parts.shares * by_score
    share = parts.shares.sum(axis=1)
    mean = max(0.001, min(0.999, parts.now))
    error = np.sqrt(mean * (1 - mean) * share / max(1.0, float(rows.sum())) * case.live.effect)
    deviations = np.divide(left.sum(axis=1), error, out=np.zeros_like(share), where=share > 0)
    there = share > 0
    free = max(1, int(there.sum()) - 1)
    return bool(((deviations[there] ** 2).sum() - free) / np.sqrt(2 * free) < _UNEVEN)


def _sentence(
    case: Case,
    parts: Split,
    suspects: tuple[Suspect, ...],
    worst: Slice | None,
    end: tuple[tuple[float, float, float], Action, str],
) -> str:
    cost, action, unknown = end
    since = f"Since {case.since:%Y-%m-%d %H:%M} UTC" if case.since else "Now"
    surely, doubt = cost[1] > 0, ", which may be chance" if cost[1] <= 0 <= cost[2] else ""
    lost = f"what a decision loses is unknown: {unknown}"
    if not unknown:
        lost = f"{_lost(case, parts)}, {_a_day(case, cost)}{doubt}"
    said = [f"{since} {lost}"]
    if suspects:
        begun = suspects[0].since
        said.append(f"it goes with this: {suspects[0].says}" + (f", since {begun:%Y-%m-%d %H:%M}" if begun else ""))
    if surely and not unknown:  # parts of what may be nothing say nothing
        said.append(_in_parts(parts))
    if surely and worst is not None and worst.carries > 0:
        said.append(f"worst where {worst.says}: {worst.carries:.0%} of the change in {worst.rows:.0%} of the rows")
    said.append(f"proposed: {_proposal(action, suspects)}")
    return "; ".join(said)


def _proposal(action: Action, suspects: tuple[Suspect, ...]) -> str:
    if action == "fix feed":
        one = suspects[0]
        return f"fix the feed '{one.name}'" if one.kind == "feed" else f"mend what fills {one.name}"
    return {
        "recalibrate": "recalibrate on the newest labels",
        "retrain": "retrain on newer rows",
        "ignore": "nothing; accept it as normal",
        "label": f"label {LABELLED} of these rows, those unlike any of training too",
    }[action]


def _named(columns: tuple[str, ...]) -> str:
    more = [f"{len(columns) - _SHOWN} more"] if len(columns) > _SHOWN else []
    return listed([*columns[:_SHOWN], *more])


def _is(what: str) -> str:
    return what if what.startswith("looks") else f"is {what}"


def _lost(case: Case, parts: Split) -> str:
    """The change for one decision, in the unit that the contract gives."""
    scale, more = case.past.scale, "more" if parts.change >= 0 else "less"
    size = abs(parts.change)
    if scale.money is not None:
        return f"a decision loses {size * scale.span:,.3g} {case.currency} {more} than in training".replace("  ", " ")
    if scale.kind == "error":
        return f"{100 * size:.1f} {more} of 100 answers are wrong than in training"
    return f"the mean squared error is {size * scale.span:,.3g} {more} than in training"


def _a_day(case: Case, cost: tuple[float, float, float]) -> str:
    money = case.past.scale.money is not None
    if not money and case.past.scale.kind != "error":
        return f"over {case.rows_per_day:,.0f} answers a day"
    unit = case.currency if money else "answers"
    return f"{cost[0]:,.0f} {unit} a day ({cost[1]:,.0f} to {cost[2]:,.0f})".replace("  ", " ")


def _in_parts(parts: Split) -> str:
    share = {
        "other rows than before": parts.mix,
        "other outcomes of equal rows": parts.concept,
        "rows unlike any of training": parts.off_support,
    }
    return "of that " + ", ".join(f"{part / parts.change:.0%} is {says}" for says, part in share.items())
