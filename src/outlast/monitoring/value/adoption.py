"""What people do with answers: how many they follow, and what the answers were worth that they followed or overrode.

The groups are not alike: who overrides has a reason. So the figures say what happened, not what would have happened.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from outlast.journal.reading import actions, joined
from outlast.journal.spelling import from_text
from outlast.monitoring.counting.grading import Terms, worths
from outlast.monitoring.figures import Figure, wilson
from outlast.monitoring.value.means import Floats, difference, of_values
from outlast.monitoring.value.told import Adopted, Adoption
from outlast.project.workspace import Workspace
from outlast.serving.actions import DONE

GROUPS = 20
"""Groups of one kind that are told apart, the largest."""
_COLUMNS = ("prediction_id", "version", "decision", "gain", "instead", "day", "did", "by")


def adoption(
    workspace: Workspace,
    model: str,
    terms: Callable[[int], Terms],
    columns: Sequence[str],
    period: tuple[datetime | None, datetime | None],
    now: datetime,
) -> Adoption:
    """What was done with the answers about a period, by the newest word on each."""
    since, until = period
    asked = joined(workspace, model, since, until, as_of=now)
    answers = int(asked.select(pl.len()).collect().item())
    done = actions(workspace, model).filter(pl.col("action").is_in(DONE)).sort("at").collect()
    rows = _acted(asked, done) if answers and done.height else None
    if rows is None or not rows.height:
        return Adoption(answers, 0, ())
    parts = rows.partition_by("version", as_dict=True)
    priced = [_priced(part, terms(int(number[0])), now) for number, part in parts.items()]
    every = pl.concat([part.select(*_COLUMNS, *_grouped(part, columns)) for part in priced])
    groups = [_adopted("all", "", every), *_groups(every, "by", "by")]
    groups += [group for column in columns for group in _groups(every, f"by {column}", column)]
    return Adoption(answers, every.height, tuple(groups))


def is_told(workspace: Workspace, model: str) -> bool:
    """Whether anybody ever told what was done with an answer."""
    return bool(actions(workspace, model).filter(pl.col("action").is_in(DONE)).head(1).collect().height)


def _acted(asked: pl.LazyFrame, done: pl.DataFrame) -> pl.DataFrame:
    """The answers that something was done with: the newest action on the prediction or on its key."""
    last = done.select("prediction_id", "key", did="action", by="by", did_at="at").with_row_index("order").lazy()
    by_id = asked.join(last.drop_nulls("prediction_id").drop("key"), on="prediction_id")
    by_key = asked.join(last.drop_nulls("key").drop("prediction_id"), on="key")
    both = pl.concat([by_id, by_key], how="diagonal").sort("order")
    return both.unique("prediction_id", keep="last", maintain_order=True).collect()


def _priced(rows: pl.DataFrame, terms: Terms, now: datetime) -> pl.DataFrame:
    """What each decision gained, and what the other one would have earned more."""
    ours, before = worths(rows, terms, now)
    names = list(terms.payoff or {})
    instead = np.full(rows.height, np.nan)
    if len(names) == 2:
        other = rows["decision"].replace_strict({names[0]: names[1], names[1]: names[0]}, default=None)
        instead = worths(rows.with_columns(decision=other), terms, now)[0] - ours
    return rows.with_columns(
        gain=pl.Series(ours - before), instead=pl.Series(instead),
        day=pl.col("decide_at").dt.epoch("d").cast(pl.Int64), by=pl.col("by").fill_null("nobody named"),
    )  # fmt: skip


def _grouped(rows: pl.DataFrame, columns: Sequence[str]) -> list[pl.Series]:
    """The columns that groups are told apart by, from what was asked and computed."""
    named: list[dict[str, Any]] = [
        {**_plain(features), **_plain(asks)} for features, asks in rows.select("features", "asks").iter_rows()
    ]
    return [pl.Series(f"by {c}", [str(one.get(c, "not kept")) for one in named], pl.String) for c in columns]


def _plain(text: str | None) -> dict[str, Any]:
    return {} if text is None else from_text(text)


def _groups(rows: pl.DataFrame, column: str, kind: str) -> Iterator[Adopted]:
    sizes = rows.group_by(column).len().sort(["len", column], descending=[True, False]).head(GROUPS)
    for name in sizes[column].to_list():
        yield _adopted(kind, name, rows.filter(pl.col(column) == name))


def _adopted(kind: str, name: str, rows: pl.DataFrame) -> Adopted:
    number = Counter(rows["did"].to_list())
    low, high = wilson(number["followed"], rows.height)
    rate = Figure(number["followed"] / rows.height, rows.height, low, high)
    followed, overridden = (_mean(rows, word, "gain") for word in ("followed", "overridden"))
    instead, apart = _mean(rows, "overridden", "instead"), difference(followed, overridden)
    counts = (number["followed"], number["overridden"], number["ignored"])
    return Adopted(kind, name, *counts, rate, followed, overridden, apart, instead)


def _mean(rows: pl.DataFrame, did: str, column: str) -> Figure:
    mine = rows.filter(pl.col("did") == did)
    if not mine.height:
        return Figure.missing(f"none was {did}")
    values: Floats = mine[column].to_numpy()
    return of_values(values, mine["day"].to_numpy())
