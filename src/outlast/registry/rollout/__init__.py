"""What is live and what stands beside it: the one record of it, its rules, and the one function that changes it."""

from outlast.registry.rollout.changing import require_allowed, transition
from outlast.registry.rollout.reading import current, kept_up, live, states, transitions
from outlast.registry.rollout.rules import ACTIONS, Asked
from outlast.registry.rollout.state import ANSWERING, STAGES, Action, Rollout, Stage, Transition

__all__ = [
    "ACTIONS", "ANSWERING", "STAGES", "Action", "Asked", "Rollout", "Stage", "Transition", "current", "kept_up", "live",
    "require_allowed", "states", "transition", "transitions",
]  # fmt: skip
