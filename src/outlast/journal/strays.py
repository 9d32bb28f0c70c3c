"""Labels that name no prediction, and labels that say something else than the one before them.

Both are kept: a label may come before its prediction, and a correction is no mistake. But a feed of labels whose keys
are spelled otherwise than the questions' never finds one, and nothing else would say so. Predictions have no index by
id or key, so this reads two of their columns whole: a command or a tick can, an answer over HTTP cannot.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
import polars as pl
import sqlalchemy as sa

from outlast.journal.columns import LABELS
from outlast.journal.reading import label_history, predictions, refusals
from outlast.journal.records import LabelRecord, encode
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables

EXAMPLES = 3
_MARK, _GIVEN = "labels/", "given"
_SUBJECT = ("prediction_id", "key")
_COLUMNS = (*_SUBJECT, "value", "number", "known_at", "at", "origin")
SOURCED = "source "
"""How the origin of a label begins that was not given but read from the label's own source, which has a row for every
key, asked or not: that it meets no prediction is no news."""


@dataclass(frozen=True)
class Strays:
    """Of so many labels: how many meet a prediction, how many meet none, how many change what was said before."""

    labels: int
    matched: int
    unknown: int
    changed: int
    examples: tuple[str, ...] = ()
    """A few of the ids and keys that no prediction has."""

    @property
    def sentence(self) -> str:
        """What is worth a word; nothing when every label met its prediction and none changed."""
        such = f", such as {', '.join(self.examples)}" if self.examples else ""
        name, change = ("names" if self.unknown == 1 else "name"), ("changes" if self.changed == 1 else "change")
        said = [f"{self.unknown:,} {name} no known prediction or key{such}"] if self.unknown else []
        said += [f"{self.changed:,} {change} an earlier label"] if self.changed else []
        return "; ".join(said)


def strays(workspace: Workspace, model: str, given: Sequence[LabelRecord] | None = None) -> Strays:
    """What becomes of labels that are about to be kept; without them, of all that were ever kept."""
    history = label_history(workspace, model).select(*_COLUMNS)
    if given is None:
        labels = history.with_columns(pl.lit(True).alias(_GIVEN))
    else:
        mine = _frame(given).lazy()
        before = history.join(mine.select(_SUBJECT), on=_SUBJECT, how="semi", nulls_equal=True)
        labels = pl.concat([before.with_columns(pl.lit(False).alias(_GIVEN)), mine])
    told = labels.filter(_GIVEN).select(*_SUBJECT, "origin").collect(engine="streaming")
    sourced = pl.col("origin").str.starts_with(SOURCED).fill_null(False)
    unknown = told.filter(~_known(workspace, model, told) & ~sourced)
    examples = unknown.select(pl.coalesce(_SUBJECT).alias("name").unique(maintain_order=True))["name"].head(EXAMPLES)
    named = tuple(one.replace("\x1f", ", ")[:80] for one in examples)
    return Strays(told.height, told.height - unknown.height, unknown.height, _changes(labels), named)


def count(workspace: Workspace, model: str, *, now: datetime) -> Strays | None:
    """Count all labels of a model anew and note it in the ledger, for the watch to show; None when none came since."""
    labels = int(label_history(workspace, model).select(pl.len()).collect().item())
    before = last_count(workspace.ledger).get(model)
    if before is None and not labels:
        return None
    if before is not None and before.labels == labels and not before.unknown:
        return None
    found = strays(workspace, model)
    if found == before:
        return None
    with workspace.ledger.write() as connection:
        marks, values = tables.marks, {"value": asdict(found), "at": now}
        if not connection.execute(sa.update(marks).where(marks.c.name == _MARK + model).values(values)).rowcount:
            connection.execute(sa.insert(marks).values(name=_MARK + model, **values))
    return found


def last_count(ledger: Ledger) -> dict[str, Strays]:
    """What was counted last, by model."""
    marks = tables.marks.c
    with ledger.read() as connection:
        rows = connection.execute(sa.select(marks.name, marks.value).where(marks.name.startswith(_MARK))).all()
    return {row.name.removeprefix(_MARK): msgspec.convert(row.value, Strays) for row in rows}


def _frame(given: Sequence[LabelRecord]) -> pl.DataFrame:
    records = LABELS.frame("", [encode(one) for one in given])
    return records.select(*_COLUMNS, pl.lit(True).alias(_GIVEN))


def _changes(labels: pl.LazyFrame) -> int:
    """How many of the given labels say something else than the one before them.

    Nearly all predictions and keys were only ever told one thing: the others are few, and only those are put in order.
    """
    said = [pl.col(name).min() != pl.col(name).max() for name in ("number", "value")]
    several = labels.group_by(_SUBJECT).agg(pl.any_horizontal(said).alias("several")).filter("several")
    these = labels.with_row_index("order").join(several, on=_SUBJECT, how="semi", nulls_equal=True)
    in_order = these.sort("known_at", "at", "order").with_columns(_changed().alias("changed"))
    return int(in_order.filter(_GIVEN).select(pl.col("changed").sum()).collect(engine="streaming").item())


def _changed() -> pl.Expr:
    """Whether a label says something else than the one before it for the same prediction or key; 1 is 1.0."""
    numbers, texts = (pl.col(name) != pl.col(name).shift(1).over(_SUBJECT) for name in ("number", "value"))
    return pl.coalesce(numbers, texts, pl.lit(False))


def _known(workspace: Workspace, model: str, told: pl.DataFrame) -> pl.Series:
    """Which labels name a prediction that was answered."""
    kinds = (predictions(workspace, model), refusals(workspace, model))
    asked = pl.concat([one.select(*_SUBJECT) for one in kinds])
    found = pl.repeat(False, told.height, eager=True)
    for name in _SUBJECT:
        wanted = told.select(pl.col(name).drop_nulls().unique())
        if wanted.height:
            there = asked.select(name).join(wanted.lazy(), on=name, how="semi").unique().collect(engine="streaming")
            found = found | told[name].is_in(there[name].implode()).fill_null(False)
    return found
