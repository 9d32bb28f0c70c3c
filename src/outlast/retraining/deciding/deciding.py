"""What asks for a successor, and what stands in the way. Knows no ledger; each answer is a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from outlast.project.contract import RetrainingSection
from outlast.retraining.deciding.facts import Facts
from outlast.types import counted, duration, span, utc

ASKED = "asked"
"""The trigger of what a person asks for."""


@dataclass(frozen=True)
class Asking:
    """What asks for a successor, and why."""

    trigger: str
    sentence: str


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, under a name, and why."""

    reason: str
    sentence: str


def asking(facts: Facts, plan: RetrainingSection) -> Asking | None:
    """The strongest thing that asks: lost value first, then what is about to lose it, then the calendar."""
    return next(_asking(facts, plan), None)


def _asking(facts: Facts, plan: RetrainingSection) -> Iterator[Asking]:
    short = facts.shortfall
    for one in facts.troubles:
        if "harm" in plan.triggers and one.sort == "harm" and one.page:
            yield Asking("harm", one.sentence)
    for one in facts.troubles:
        if "drift" in plan.triggers and one.sort == "drift" and short is not None and short.month > (plan.cost or 0.0):
            yield Asking("drift", f"{one.sentence}; decisions are worth {short.realised:.4g} of {short.promised:.4g}")
    if plan.schedule is not None and facts.now - _begun(facts) >= duration(plan.schedule):
        yield Asking("schedule", f"the last is of {_begun(facts):%Y-%m-%d %H:%M}, and one is due every {plan.schedule}")
    if "labels" in plan.triggers and facts.labels >= max(plan.labels, 1):
        yield Asking("labels", f"{counted(facts.labels, 'label')} matured since {facts.cutoff:%Y-%m-%d}")
    age = facts.now - facts.cutoff
    if "age" in plan.triggers and age >= duration(plan.age):
        yield Asking("age", f"{facts.live} has learned nothing since {facts.cutoff:%Y-%m-%d}, {age.days} days ago")


def _begun(facts: Facts) -> datetime:
    """When a successor was last trained: the live version's own making, at the least."""
    last = facts.last("started")
    made = utc(facts.live.created_at)
    return made if last is None else max(made, last)


def obstacle(facts: Facts, plan: RetrainingSection, ask: Asking) -> Obstacle | None:
    """What stands in the way first; None where nothing does. What a person asks for is held up by less."""
    by_hand = ask.trigger == ASKED
    return next((one for one in _obstacles(facts, plan) if not by_hand or one.reason in ("beside", "data")), None)


def _obstacles(facts: Facts, plan: RetrainingSection) -> Iterator[Obstacle]:
    if plan.policy in (None, "never"):
        yield Obstacle("policy", f"the policy is {plan.policy or 'not said'}: [retraining] policy")
    if facts.beside is not None:
        yield Obstacle("beside", f"{facts.beside}, and there are never two candidates")
    broken = [one for one in facts.troubles if one.sort == "data"]
    if broken:
        yield Obstacle("data", f"its data are broken, and it would learn that: {broken[0].sentence}")
    yield from _too_soon(facts, plan)
    if facts.labels < plan.labels:
        said = f"only {facts.labels:,} of {plan.labels:,} new labels have matured since {facts.cutoff:%Y-%m-%d}"
        yield Obstacle("labels", f"{said}: [retraining] labels")
    if plan.cost:
        yield from _too_dear(facts, plan.cost)


def _too_soon(facts: Facts, plan: RetrainingSection) -> Iterator[Obstacle]:
    last = facts.last("started", "rolled back", "live")
    if plan.cooldown is not None and last is not None and facts.now - last < duration(plan.cooldown):
        free = last + duration(plan.cooldown)
        yield Obstacle("cooldown", f"the last step was at {last:%Y-%m-%d %H:%M}; not before {free:%Y-%m-%d %H:%M}")
    if facts.runs() >= plan.budget:
        yield Obstacle("budget", f"{counted(facts.runs(), 'run')} within 30 days, and {plan.budget} are allowed")


def _too_dear(facts: Facts, cost: float) -> Iterator[Obstacle]:
    short = facts.shortfall
    if short is None:
        yield Obstacle("gain", f"too few outcomes are known to say that it would win back the {cost:.4g} it costs")
    elif short.month <= cost:
        said = (
            f"it would win back {short.month:.4g} in a month and costs {cost:.4g}: decisions are worth "
            f"{short.realised:.4g} of the {short.promised:.4g} promised, at {short.per_day:,.0f} a day"
        )
        yield Obstacle("gain", said)


def said_of(plan: RetrainingSection) -> str:
    """The plan in a few words."""
    on = [*([f"every {plan.schedule}"] if plan.schedule else []), *(t for t in plan.triggers if t != "schedule")]
    cooldown = f", at least {span(duration(plan.cooldown))} apart" if plan.cooldown else ""
    return f"policy {plan.policy or 'none'}; {', '.join(on) or 'nothing asks'}{cooldown}"
