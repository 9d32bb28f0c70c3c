"""How long the journal's tables keep what they have, and in how many files."""

from datetime import datetime, timedelta

from outlast.journal.columns import FACTS, KINDS
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.types import EPOCH, utc

DAY = timedelta(days=1)
FILES = 20
"""Small files of a table, from which on they are joined."""


def expire(workspace: Workspace, model: str, keep: timedelta, *, by: str, now: datetime) -> dict[str, int]:
    """Take out what came longer ago than a contract's `keep`, by whole days; how many rows left which table.

    Facts are their source's, and stay. Files that hold what was taken out are removed a week later at the latest, when
    no reader can be at them any more.
    """
    until = EPOCH + (utc(now) - keep - EPOCH) // DAY * DAY
    gone: dict[str, int] = {}
    for kind in KINDS:
        table = kind.stream(model)
        if kind is not FACTS and workspace.tables.exists(table):
            count = workspace.tables.remove_before(table, "at", until)
            if count:
                gone[table] = count
    if gone:
        detail = {"rows": gone, "until": until.isoformat(), "keep_days": keep / DAY}
        with workspace.ledger.write() as connection:
            audit.record(connection, actor=by, action="expire", object=model, detail=detail, at=utc(now))
    return gone


def compact(workspace: Workspace) -> list[str]:
    """Join the small files of the journal's tables that have many, and remove files that nothing has read for a week;
    the tables where that was done."""
    names = {kind.name for kind in KINDS}
    done = []
    for table in workspace.tables.names():
        if table.partition("/")[0] in names and workspace.tables.small_files(table) >= FILES:
            workspace.tables.compact(table)
            done.append(table)
    return done
