"""What the journal holds of one key, taken out of it: what was asked, computed, told and said about it.

Of an answer the score and the decision stay, and of a label what turned out, for figures that were told must not
change; their key gives way to a name drawn at random, under which they still meet.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.bundle.requests import spell_key
from outlast.errors import NotFound
from outlast.journal.columns import FACTS, KINDS, Kind
from outlast.journal.erased import Erased
from outlast.journal.journal import seal
from outlast.journal.spelling import from_text
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.versions import versions
from outlast.storage import appendlog
from outlast.types import utc

_CLEARED = ("asks", "features", "asked", "contributions", "comment", "note")
_EMPTIED = ("reasons", "warnings")


def erase(
    workspace: Workspace, model: str, key: str, names: Sequence[str], *, by: str, now: datetime, do: bool
) -> Erased:
    """Rid the journal of a key, given as predictions spell it; `names` are its columns. Without `do`, only look.

    The trail says how many rows were changed and under which name they go on, and nothing of the key.
    """
    seal(workspace)
    kept = [(kind, _rows(workspace, kind, model, key)) for kind in KINDS if kind is not FACTS]
    told = {source: _facts(workspace, source, key, names) for source in _sources(workspace, model)}
    found = {kind.stream(model): rows.height for kind, rows in kept if rows.height}
    found |= {FACTS.stream(source): len(rows) for source, rows in told.items() if rows}
    waiting = _waiting(workspace, model, key)
    if do and found:
        name = f"erased-{secrets.token_hex(8)}"
        for kind, rows in kept:
            if rows.height:
                _clear(workspace, kind, model, rows, key, name)
        for source, texts in told.items():
            if texts:
                workspace.tables.remove(FACTS.stream(source), "row", sorted(set(texts)))
        for table in found:
            workspace.tables.forget(table)
        with workspace.ledger.write() as connection:
            detail = {"rows": found, "now": name, "waiting": waiting}
            audit.record(connection, actor=by, action="erase", object=model, detail=detail, at=utc(now))
    return Erased(model, do, found, waiting)


def _rows(workspace: Workspace, kind: Kind, model: str, key: str) -> pl.DataFrame:
    """The rows of a table about a key, by its name or by the predictions that were made of it."""
    mine = _scan(workspace, kind, model)
    if mine is None:
        return pl.DataFrame()
    about = pl.col("key") == key if "key" in kind.schema else pl.lit(False)
    if kind.name in ("labels", "actions"):
        ids = [
            rows.filter(pl.col("key") == key).select("prediction_id")
            for rows in (_scan(workspace, one, model) for one in KINDS if "asks" in one.schema)
            if rows is not None
        ]
        if ids:
            about |= pl.col("prediction_id").is_in(pl.concat(ids).collect()["prediction_id"].implode())
    return mine.filter(about.fill_null(False)).collect()


def _scan(workspace: Workspace, kind: Kind, model: str) -> pl.LazyFrame | None:
    table = kind.stream(model)
    return workspace.tables.scan(table) if workspace.tables.exists(table) else None


def _clear(workspace: Workspace, kind: Kind, model: str, rows: pl.DataFrame, key: str, name: str) -> None:
    changed = {column: "NULL" for column in _CLEARED if column in rows.columns}
    changed |= {column: "make_array()" for column in _EMPTIED if column in rows.columns}
    if "request_id" in rows.columns:
        changed["request_id"] = f"'{name}'"
    quoted = key.replace("'", "''")
    if "key" in rows.columns:
        changed["key"] = f"CASE WHEN key = '{quoted}' THEN '{name}' ELSE key END"
    ids = rows["prediction_id"].drop_nulls().unique().to_list()
    mine = f"key = '{quoted}'" if "key" in rows.columns else "false"
    listed = ", ".join("'" + one.replace("'", "''") + "'" for one in ids)
    workspace.tables.change(kind.stream(model), changed, f"{mine} OR prediction_id IN ({listed})" if ids else mine)


def _sources(workspace: Workspace, model: str) -> list[str]:
    found: set[str] = set()
    for version in versions(workspace.ledger, model):
        found |= set(open_bundle(workspace, version.digest).manifest["sources"])
    return sorted(found)


def _facts(workspace: Workspace, source: str, key: str, names: Sequence[str]) -> list[str]:
    """The facts that were told of a key, as they are kept."""
    if not names:
        return []
    try:
        rows = workspace.tables.scan(FACTS.stream(source)).select("row").collect()["row"]
    except NotFound:
        return []
    found = []
    for text in rows:
        row = from_text(text)
        if set(names) <= row.keys() and spell_key([row[name] for name in names]) == key:
            found.append(text)
    return found


def _waiting(workspace: Workspace, model: str, key: str) -> int:
    """Files of the log that hold the key still: those that servers have open, which cannot be sealed yet."""
    found = 0
    for kind in KINDS:
        if kind is FACTS:
            continue
        for segment in appendlog.segments(workspace.log_root, kind.stream(model)):
            try:
                found += any(key.encode() in payload for payload in appendlog.read(segment))
            except NotFound:
                continue  # sealed meanwhile
    return found
