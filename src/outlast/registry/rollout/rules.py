"""The rules of a rollout: from a state and what is asked, the state after it or a sentence that says no.

| action | needs | afterwards |
|---|---|---|
| `promote` V | a passed verdict; V is not live, or only as advice | V is live; the challenger is gone |
| `advise` V | a passed verdict; V is not so already | its answers are marked as advice; the challenger is gone |
| `shadow` V | a passed verdict; another version is live; no other challenger | V is asked too, and not heard |
| `canary` V, `ab` V | the same, and a share above 0 and below 100 percent | V answers that share of the requests |
| `withdraw` | a challenger | the challenger is gone |
| `rollback` | a challenger that answers, else an earlier version | the challenger is gone, else that version is back |
| `retire` | something live | nothing is live; a rollback brings it back |
| `retire` V | V is not live, and not retired already | nothing brings V back without a verdict made after this |

A rollback never brings back what was itself rolled back or retired by name, and brings a version back as it was: live,
or as advice. Nothing here reads or writes a ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from outlast.errors import Conflict, Refused
from outlast.registry.rollout.state import ANSWERING, STAGES, Action, Rollout, Stage, Transition, staged

ACTIONS: tuple[Action, ...] = get_args(Action)
LETTING_OUT: tuple[Action, ...] = ("promote", "advise", *STAGES)
"""The actions that show a version to requests, and so need evidence."""


@dataclass(frozen=True)
class Asked:
    """What somebody wants: an action, perhaps about a version, perhaps with a share of the requests."""

    action: Action
    to: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class After:
    """The state that an action leads to, and the version that it is about."""

    live: int | None
    about: int | None
    advice: bool = False
    challenger: int | None = None
    stage: Stage | None = None
    share: float | None = None


def after(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    """The state that the rules give; Refused or Conflict where they say no."""
    if asked.action not in ACTIONS:
        said = f"{', '.join(ACTIONS[:-1])} or {ACTIONS[-1]}"
        raise Refused(f"Model '{before.model}' knows no '{asked.action}': say {said}")
    if asked.share is not None and asked.action not in ANSWERING:
        raise Refused(f"'{asked.action}' of model '{before.model}' takes no share: only canary and ab do")
    return _RULES[asked.action](before, history, asked)


def former(history: Sequence[Transition]) -> list[tuple[int, bool]]:
    """What rollbacks would bring back one after the other, the next one last: each version, and whether as advice.

    What was rolled back is not in it, so two people who roll back at the same moment never bring the bad version back.
    """
    found: list[tuple[int, bool]] = []
    advice = False
    for step in history:
        if step.from_version != step.to_version:
            if step.action == "rollback":
                del found[-1:]
            elif step.from_version is not None:
                found.append((step.from_version, advice))
        if step.named:
            found = [one for one in found if one[0] != step.version]
        found = _settled(found, step.to_version)
        advice = step.advice
    return found


def retired(history: Sequence[Transition]) -> dict[int, Transition]:
    """The versions that were retired by name and not let out since, with the transition that did it."""
    found: dict[int, Transition] = {}
    for step in history:
        if step.named and step.version is not None:
            found[step.version] = step
        elif step.action in LETTING_OUT and step.version is not None:
            found.pop(step.version, None)
    return found


def _settled(found: list[tuple[int, bool]], live: int | None) -> list[tuple[int, bool]]:
    """Without steps that lead to where one is already."""
    kept: list[tuple[int, bool]] = []
    for one in found:
        if kept and kept[-1][0] == one[0]:
            kept.pop()
        kept.append(one)
    while kept and kept[-1][0] == live:
        kept.pop()
    return kept


def _let_out(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    number, advice = _named(before, asked), asked.action == "advise"
    if (number, advice) == (before.live, before.advice):
        when = before.updated_at.isoformat(sep=" ", timespec="seconds")
        as_it = "live as advice" if advice else "live"
        said = f"Version {number} of model '{before.model}' is {as_it} already, since {when}: nothing to {asked.action}"
        raise Conflict(said)
    return After(number, number, advice)


def _beside(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    number, stage = _named(before, asked), cast(Stage, asked.action)
    what = f"Version {number} of model '{before.model}'"
    if before.live is None:
        raise Refused(f"{what} has no live version to stand beside as {stage}: promote one first")
    if number == before.live:
        raise Refused(f"{what} is live and cannot be the {stage} of itself: name another version")
    if before.challenger not in (None, number):
        beside = f"version {before.challenger} is the {staged(before.stage, before.share)}"
        raise Conflict(f"{what} cannot be the {stage} while {beside}: `outlast withdraw {before.model}` comes first")
    share = _share(before, asked)
    if (before.stage, before.share) == (stage, share):
        raise Conflict(f"{what} is the {staged(stage, share)} already: name another stage or share")
    return After(before.live, number, before.advice, number, stage, share)


def _share(before: Rollout, asked: Asked) -> float | None:
    if asked.action == "shadow":
        return None
    if asked.share is None:
        raise Refused(f"A {asked.action} of model '{before.model}' needs a share of the requests: add --share 10")
    if not 0 < asked.share < 100:
        said = f"The share of a {asked.action} of model '{before.model}' is {asked.share:g}"
        raise Refused(f"{said}: expected percent of the requests, above 0 and below 100")
    return float(asked.share)


def _withdrawn(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    if before.challenger is None:
        raise Refused(f"Model '{before.model}' has no challenger to withdraw: see `outlast history {before.model}`")
    if asked.to not in (None, before.challenger):
        raise Conflict(
            f"The challenger of model '{before.model}' is version {before.challenger}, not {asked.to}: look again "
            f"with `outlast history {before.model}`"
        )
    return After(before.live, before.challenger, before.advice)


def _rolled_back(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    if before.stage in ANSWERING:
        target, advice, about = before.live, before.advice, before.challenger
    else:
        back = former(history)
        if not back:
            raise Refused(f"Model '{before.model}' has no earlier version to roll back to: promote another one")
        (target, advice), about = back[-1], before.live
    if asked.to not in (None, target):
        raise Conflict(
            f"A rollback of model '{before.model}' goes to version {target}, not {asked.to}: "
            f"somebody changed what is live, or promote version {asked.to} instead"
        )
    return After(target, about, advice)


def _retired(before: Rollout, history: Sequence[Transition], asked: Asked) -> After:
    if asked.to is None:
        if before.live is None:
            raise Refused(f"Model '{before.model}' has nothing live that could be retired")
        return After(None, before.live)
    what = f"Version {asked.to} of model '{before.model}'"
    if asked.to == before.live:
        raise Refused(
            f"{what} is live and cannot be retired by itself: roll back or promote another version first, or leave "
            f"nothing live with `outlast retire {before.model}`"
        )
    if asked.to in retired(history):
        raise Conflict(f"{what} is retired already, since {retired(history)[asked.to].at:%Y-%m-%d %H:%M:%S} UTC")
    if asked.to == before.challenger:
        return After(before.live, asked.to, before.advice)
    return After(before.live, asked.to, before.advice, before.challenger, before.stage, before.share)


def _named(before: Rollout, asked: Asked) -> int:
    if asked.to is None:
        verb = "promoted" if asked.action == "promote" else f"let out as {asked.action}"
        raise Refused(f"Model '{before.model}' cannot be {verb} as a whole: name a version, {before.model}@NUMBER")
    return asked.to


_RULES: dict[Action, Callable[[Rollout, Sequence[Transition], Asked], After]] = {
    "promote": _let_out,
    "advise": _let_out,
    "shadow": _beside,
    "canary": _beside,
    "ab": _beside,
    "withdraw": _withdrawn,
    "rollback": _rolled_back,
    "retire": _retired,
}
