"""What becomes of a challenger by what is known of it: on, wait, or given up. Knows no ledger and no clock."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from outlast.retraining.judging.told import Mean, Readout
from outlast.types import span

Kind = Literal["on", "wait", "give up"]
FAILING = 0.02
"""How much more often its model may fail to answer than that of what is live."""


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


def rule(found: Readout, terms: Terms, *, stage: timedelta, whole: timedelta) -> Ruling:
    """The ruling over a challenger that has been in its stage, and beside what is live, for so long."""
    failing, gain, margin = found.failing, found.gain, terms.margin
    if found.trouble is not None:
        return Ruling("give up", found.trouble)
    if failing is not None and failing.low > FAILING:
        says = f"its model fails to answer {failing.value:.1%} more often ({failing.low:.1%} to {failing.high:.1%})"
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
        return _out_of_patience(found, gain, margin)
    return Ruling("wait", _waits(found, gain, margin), known=False)


def _out_of_patience(found: Readout, gain: Mean | None, margin: float) -> Ruling:
    """Too little traffic for outcomes to decide: the gate's held-out rows do, unless outcomes lean against it."""
    if gain is not None and gain.value < -margin:
        return Ruling("give up", f"patience is over, and outcomes so far speak against it: {_said(found, gain)}")
    so_far = "no outcome is known" if gain is None else f"outcomes do not speak against it, {_said(found, gain)}"
    return Ruling("on", f"patience is over: by the held-out rows of its verdict, since {so_far}", known=False)


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
