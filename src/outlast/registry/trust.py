"""What a server may load: bytes that an approved transition names, and that a passed verdict is about.

Asked before anything of a bundle is executed. A row that was edited by hand, of what is live or of a version, names
bytes that nobody let out, and is refused.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from outlast.errors import Refused
from outlast.registry import audit, verdicts
from outlast.registry.audit.trail import says_of_transition
from outlast.registry.rollout import Rollout, Transition
from outlast.registry.rollout.reading import current_in, transitions_in
from outlast.registry.versions import find_in
from outlast.storage.ledger import Ledger
from outlast.types import ModelRef

_LOOK = "look for more with `outlast audit verify`"


def admitted(ledger: Ledger, state: Rollout) -> tuple[str | None, str | None]:
    """The digests of what may answer: of the live version and of the challenger; Refused where the trail disagrees."""
    with ledger.read() as connection:
        history = transitions_in(connection, state.model)
        step = _made(connection, state, history)
        return _bytes(connection, step, step.to_version, step.bundle, history), _bytes(
            connection, step, step.challenger, step.challenger_bundle, history
        )


def let_out(ledger: Ledger, model: str, number: int) -> str:
    """The digest of a version that was live once; Refused where it never was, or the trail disagrees."""
    with ledger.read() as connection:
        history = transitions_in(connection, model)
        step = next((one for one in reversed(history) if one.to_version == number), None)
        if step is None:
            raise Refused(f"{ModelRef(model, number)} was never live: {_LOOK}")
        _require_whole(connection, step)
        digest = _bytes(connection, step, number, step.bundle, history)
        assert digest is not None, "a number has bytes"
        return digest


def standing(ledger: Ledger, model: str) -> Rollout:
    """What is live of a model, if the trail says the same; Refused where it does not."""
    with ledger.read() as connection:
        state = current_in(connection, model)
        _made(connection, state, transitions_in(connection, model))
    return state


def _made(connection: sa.Connection, state: Rollout, history: Sequence[Transition]) -> Transition:
    """The last transition of a model, which must have made what the rollout says, and be what the trail says it is."""
    last = history[-1] if history else None
    if last is None or last.sequence != state.sequence or not _alike(last, state):
        what = f"has version {state.live} live" if state.live is not None else "has nothing live"
        raise Refused(f"Model '{state.model}' {what}, which no transition made so: somebody edited it; {_LOOK}")
    _require_whole(connection, last)
    return last


def _alike(step: Transition, state: Rollout) -> bool:
    made = (step.to_version, step.advice, step.challenger, step.stage, step.share)
    return made == (state.live, state.advice, state.challenger, state.stage, state.share)


def _require_whole(connection: sa.Connection, step: Transition) -> None:
    entry = audit.approved(connection, step.model, step.sequence)
    if entry is None or says_of_transition(entry.said()) != audit.transition_of(step):
        what = f"Transition {step.sequence} of model '{step.model}' is not what the trail says of it"
        raise Refused(f"{what}: somebody edited one of the two; {_LOOK}")


def _bytes(
    connection: sa.Connection, last: Transition, number: int | None, named: str | None, history: Sequence[Transition]
) -> str | None:
    """The digest of a version that answers: what the last transition named, let out by a verdict about it."""
    if number is None:
        return None
    version = find_in(connection, ModelRef(last.model, number))
    if named is not None and named != version.digest:
        raise Refused(
            f"{version} has the bytes {version.digest[:12]}, and {named[:12]} were let out: somebody edited it; {_LOOK}"
        )
    let_out = next((step for step in reversed(history) if step.verdict_digest and _about(step) == number), None)
    if let_out is None:
        raise Refused(f"{version} was never let out on a verdict: {_LOOK}")
    _require_whole(connection, let_out)
    _require_passed(connection, version, verdicts.read(connection, let_out.verdict_digest or ""))
    return version.digest


def _about(step: Transition) -> int | None:
    return step.to_version if step.version is None else step.version


def _require_passed(connection: sa.Connection, version: Any, record: verdicts.Record | None) -> None:
    about = record is not None and (record.model, record.number) == (version.model, version.number)
    if record is None or not about or not record.whole or not record.passed:
        raise Refused(
            f"The verdict that let {version} out is gone, or not what it was about these bytes: somebody edited it or "
            f"the version; {_LOOK}"
        )
