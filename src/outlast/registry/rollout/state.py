"""What is kept of a model's rollout: its state, and every change of it with the whole state after."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Stage = Literal["shadow", "canary", "ab"]
Action = Literal["promote", "advise", "shadow", "canary", "ab", "withdraw", "rollback", "retire"]

STAGES: tuple[Stage, ...] = ("shadow", "canary", "ab")
"""What a challenger can be: asked without being heard, heard by a few, or compared with the live version."""

ANSWERING: tuple[Stage, ...] = ("canary", "ab")
"""The stages in which users see the challenger's answers."""


@dataclass(frozen=True)
class Rollout:
    """What is live of a model, what a rollback would bring back, and how often that has changed.

    With `advice` the live version's answers are marked as advice. A `challenger` stands beside the live version in a
    `stage`, with a `share` of the requests in percent where it answers.
    """

    model: str
    live: int | None
    previous: int | None
    sequence: int
    updated_at: datetime
    advice: bool = False
    challenger: int | None = None
    stage: Stage | None = None
    share: float | None = None

    def of(self, number: int) -> str:
        """What a version is in it, in a word or two; empty where it plays no part.

        >>> Rollout("late", 2, 1, 3, datetime(2024, 1, 1), challenger=3, stage="canary", share=10.0).of(3)
        'canary 10%'
        """
        if number == self.live:
            return "live, advice" if self.advice else "live"
        if number == self.challenger:
            return staged(self.stage, self.share)
        return "previous" if number == self.previous else ""


@dataclass(frozen=True)
class Transition:
    """One change: who made it, why, on which evidence, and the whole state after it.

    `version` is the one that it is about; `bundle` and `challenger_bundle` are the digests of what answered from then
    on. Those are None in transitions that the first release wrote.
    """

    model: str
    sequence: int
    action: Action
    from_version: int | None
    to_version: int | None
    at: datetime
    by: str
    reason: str | None
    verdict_digest: str | None
    version: int | None = None
    bundle: str | None = None
    advice: bool = False
    challenger: int | None = None
    stage: Stage | None = None
    share: float | None = None
    challenger_bundle: str | None = None

    @property
    def named(self) -> bool:
        """Whether it retired one version by its name; the model goes on."""
        return self.action == "retire" and self.version is not None and self.from_version == self.to_version

    def __str__(self) -> str:
        """What was done, without the versions before and after."""
        if self.action in STAGES:
            return f"{staged(self.stage, self.share)}: {self.challenger}"
        return f"{self.action} {self.version}" if self.named or self.action == "withdraw" else self.action


def staged(stage: Stage | None, share: float | None) -> str:
    """A stage as people read it."""
    return f"{stage or ''}" if share is None else f"{stage} {share:g}%"
