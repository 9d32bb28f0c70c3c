"""What the ledger says of rollouts."""

import sqlalchemy as sa

from outlast.registry.rollout.rules import former, retired
from outlast.registry.rollout.state import Rollout, Transition
from outlast.registry.versions import unknown
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables


def current(ledger: Ledger, model: str) -> Rollout:
    """What is live of a model now; sequence 0 when nothing ever was."""
    with ledger.read() as connection:
        require_known(connection, model)
        return current_in(connection, model)


def live(ledger: Ledger) -> list[Rollout]:
    """Every model that has a live version, by name."""
    table = tables.rollouts
    query = sa.select(table).where(table.c.live.is_not(None)).order_by(table.c.model)
    with ledger.read() as connection:
        return [Rollout(**row._mapping) for row in connection.execute(query)]


def transitions(ledger: Ledger, model: str) -> list[Transition]:
    """Every change of what is live of a model, oldest first."""
    with ledger.read() as connection:
        require_known(connection, model)
        return transitions_in(connection, model)


def states(ledger: Ledger, model: str) -> dict[int, str]:
    """What each version that plays or played a part is now, in a word or two: live, canary 10%, previous, retired."""
    with ledger.read() as connection:
        require_known(connection, model)
        now, history = current_in(connection, model), transitions_in(connection, model)
    named = {number: now.of(number) for number in (now.previous, now.challenger, now.live) if number is not None}
    return {**dict.fromkeys(retired(history), "retired"), **named}


def kept_up(ledger: Ledger, model: str, number: int) -> bool:
    """Whether a version was live or next to be brought back ever since it was live: its fresh values hold then.

    What is pushed is written for those. After one rollback the next one goes further back, to a version that was
    neither for a while.
    """
    steps = transitions(ledger, model)
    for count in range(len(steps), 0, -1):
        if number in (steps[count - 1].to_version, steps[count - 1].challenger):
            return True
        if previous(steps[:count]) != number:
            return False
    return False


def previous(history: list[Transition]) -> int | None:
    """The version that a rollback of what is live brings back."""
    back = former(history)
    return back[-1][0] if back else None


def require_known(connection: sa.Connection, model: str) -> None:
    """NotFound, with the nearest name, for a model that the ledger does not know."""
    if connection.scalar(sa.select(tables.models.c.name).where(tables.models.c.name == model)) is None:
        raise unknown(connection, model)


def current_in(connection: sa.Connection, model: str) -> Rollout:
    """`current` within a transaction."""
    row = connection.execute(sa.select(tables.rollouts).where(tables.rollouts.c.model == model)).one_or_none()
    if row is not None:
        return Rollout(**row._mapping)
    made = connection.scalar(sa.select(tables.models.c.created_at).where(tables.models.c.name == model))
    assert made is not None, "the caller knows the model"
    return Rollout(model, None, None, 0, made)


def transitions_in(connection: sa.Connection, model: str) -> list[Transition]:
    """`transitions` within a transaction."""
    table = tables.transitions
    columns = [column for column in table.c if column.name != "id"]
    rows = connection.execute(sa.select(*columns).where(table.c.model == model).order_by(table.c.sequence))
    return [Transition(**row._mapping) for row in rows]
