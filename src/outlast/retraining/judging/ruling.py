"""What becomes of a challenger by what is known of it: on, wait, or given up. Knows no ledger and no clock."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from outlast.retraining.judging.told import Mean, Readout
from outlast.types import span

Kind = Literal["on", "wait", "give up"]
FAILING = 0.02
"""How much more often its model may fail to answer, or answer late, than that of what is live."""
BESIDE = 100
"""Questions beside what is live from which on it counts how many it answered, and how."""
AGREED = 0.5
"""The share of them that both have to have decided alike."""
AGAIN = 2
"""How many times as long as its patience it waits for what is missing, until a fresher one may follow."""


@dataclass(frozen=True)
class Terms:
    """What the contract allows: how much less a decision may be worth, how long a stage and all of them last."""

    margin: float
    least: timedelta
    patience: timedelta


@dataclass(frozen=True)
class Ruling:
    """What to do, and why, in a sentence; `known` where outcomes have shown it, `young` where it is too early."""

    kind: Kind
    sentence: str
    known: bool = True
    young: bool = False


def rule(found: Readout, terms: Terms, *, stage: timedelta, whole: timedelta, broken: str | None = None) -> Ruling:
    """The ruling over a challenger that has been in its stage, and beside what is live, for so long.

    `broken` is what is wrong with the model's data now: nothing is let in by patience meanwhile.
    """
    gain, margin = found.gain, terms.margin
    if found.trouble is not None:
        return Ruling("give up", found.trouble)
    for more, what in ((found.failing, "its model fails to answer"), (found.late, "it answers later than promised")):
        if more is not None and more.low > FAILING:
            says = f"{what} {more.value:.1%} more often ({more.low:.1%} to {more.high:.1%})"
            return Ruling("give up", f"{says}, and {FAILING:.0%} is put up with")
    shown = gain is not None and gain.low >= -margin
    if gain is not None and not shown and gain.high < 0:
        return Ruling("give up", f"its decisions are worth less: {_said(found, gain)}")
    if stage < terms.least:
        return Ruling(
            "wait", f"as {found.stage} for {span(_whole(stage))} of {span(terms.least)}", known=False, young=True
        )
    if gain is not None and shown:
        better = "more" if gain.low > 0 else f"no more than {margin:.3g} less"
        return Ruling("on", f"its decisions are worth {better}: {_said(found, gain)}")
    leans = found.estimated if gain is None else gain.value
    if found.stage == "shadow" and found.pairs and (leans is None or leans >= -margin):
        waits = "labels are not here yet" if gain is None else _said(found, gain)
        return Ruling("on", f"nothing speaks against it in {found.pairs:,} answers beside: {waits}", known=False)
    if whole >= terms.patience:
        return _out_of_patience(
            found, gain, margin, missing=_missing(found, broken), late=whole >= AGAIN * terms.patience
        )
    return Ruling("wait", _waits(found, gain, margin), known=False)


def _out_of_patience(found: Readout, gain: Mean | None, margin: float, *, missing: str | None, late: bool) -> Ruling:
    """Too few outcomes to decide: the gate's held-out rows do, where it stood beside and nothing speaks against it."""
    if gain is not None and gain.value < -margin:
        return Ruling("give up", f"patience is over, and outcomes so far speak against it: {_said(found, gain)}")
    if found.pairs >= BESIDE and found.agreement is not None and found.agreement < AGREED:
        says = f"both decided alike in {found.agreement:.0%} of {found.pairs:,} questions"
        return Ruling("give up", f"patience is over, no outcomes have shown it to be as good, and {says}")
    if missing is not None and late:
        return Ruling("give up", f"patience was over long ago, and {missing}: a fresher one may follow")
    if missing is not None:
        return Ruling("wait", f"patience is over, but {missing}", known=False)
    so_far = "no outcome is known" if gain is None else f"outcomes do not speak against it, {_said(found, gain)}"
    beside = (
        "rows of tables are asked beside nothing" if found.tables else f"{found.pairs:,} questions answered by both"
    )
    return Ruling(
        "on", f"patience is over: by the held-out rows of its verdict ({beside}), since {so_far}", known=False
    )


def _missing(found: Readout, broken: str | None) -> str | None:
    """What patience has to go on without, and may not: data that are whole, and answers beside what is live."""
    if broken is not None:
        return f"the model's data are broken: {broken}"
    if found.pairs < BESIDE and not found.tables:
        return f"it answered {found.pairs:,} of the {BESIDE} questions beside what is live that it takes"
    return None


def _waits(found: Readout, gain: Mean | None, margin: float) -> str:
    if gain is None and found.estimated is not None and found.estimated < -margin:
        return f"no outcome is known yet, and it is expected to lose: {found.estimated:+.4g} {found.unit}"
    if gain is None:
        return f"no outcome of {found.matured:,} matured answers is known yet"
    return f"it is not shown to lose no more than {margin:.3g}: {_said(found, gain)}"


def _said(found: Readout, gain: Mean) -> str:
    return f"{gain.value:+.4g} {found.unit} ({gain.low:+.4g} to {gain.high:+.4g}, {gain.rows:,} known outcomes)"


def _whole(length: timedelta) -> timedelta:
    return timedelta(seconds=int(length.total_seconds()))
