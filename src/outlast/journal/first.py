"""Of several answers to one named request the first is kept, whichever hosts gave them and whenever they are sealed.

A host gives a repeat its first answer itself. A caller that came to another host, or after the host had lost its
memory, was answered twice: what is not the first goes to a table of its own.
"""

from datetime import timedelta

import polars as pl

from outlast.journal.columns import PREDICTIONS, REPEATS, SEGMENT, TAKEN_BY
from outlast.project.workspace import Workspace

_WINDOW = timedelta(days=1)
"""How far apart answers to one request may lie to be seen as such."""
_REQUEST = ("request_id", "asked", "place")


def keep(workspace: Workspace, model: str, segment: str, frame: pl.DataFrame) -> None:
    """Put the predictions of a segment into their table, but for those that another answer came before.

    Done again after it was cut off anywhere, it ends in the same tables.
    """
    table, tables = PREDICTIONS.stream(model), workspace.tables
    named = frame.filter(pl.col("asked").is_not_null())
    if named.is_empty():
        tables.append(table, frame, once=segment)
        return
    there = _there(workspace, table, segment, named)
    both = pl.concat([there.with_columns(old=True), named.select(there.columns).with_columns(old=False)])
    later = both.sort("at", "old", descending=[False, True], maintain_order=True).filter(
        ~pl.struct(_REQUEST).is_first_distinct()
    )
    mine, theirs = (later.filter(pl.col("old") == old)["prediction_id"].implode() for old in (False, True))
    own = pl.lit(None, pl.String).alias(TAKEN_BY)
    repeats = frame.filter(pl.col("prediction_id").is_in(mine)).with_columns(own)
    if theirs.list.len().item():
        old = tables.scan(table).filter(pl.col("prediction_id").is_in(theirs)).collect()
        taken = old.select(frame.columns).with_columns(pl.lit(segment).alias(TAKEN_BY))
        repeats = pl.concat([repeats, taken])
    if repeats.height:
        tables.append(REPEATS.stream(model), repeats, once=segment)
    tables.append(table, frame.filter(~pl.col("prediction_id").is_in(mine)), once=segment)
    if theirs.list.len().item():
        tables.remove(table, "prediction_id", theirs.explode().to_list())


def _there(workspace: Workspace, table: str, segment: str, named: pl.DataFrame) -> pl.DataFrame:
    """The answers of other segments to the same requests."""
    columns = [*_REQUEST, "at", "prediction_id"]
    if not workspace.tables.exists(table):
        return named.select(columns).clear()
    kept = workspace.tables.scan(table)
    if "asked" not in kept.collect_schema():
        return named.select(columns).clear()
    begin, end = named["at"].min() - _WINDOW, named["at"].max() + _WINDOW  # type: ignore[operator]
    near = kept.filter(
        pl.col("at").is_between(begin, end) & pl.col("asked").is_not_null() & (pl.col(SEGMENT) != segment)
    )
    return near.join(named.lazy().select(_REQUEST).unique(), on=_REQUEST, how="semi").select(columns).collect()
