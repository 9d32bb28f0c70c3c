"""What came since counting last looked: predictions and labels of new segments, and old predictions that matured.

The journal is read as it is at a point: only segments up to a number, and what was known at a moment. A segment that is
sealed while this reads has a later number and waits for the next look.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from outlast.errors import NotFound
from outlast.journal import sealing
from outlast.journal.columns import LABELS, PREDICTIONS, REPEATS, SEGMENT, TAKEN_BY, Kind
from outlast.monitoring.counting.grading import COLUMNS
from outlast.project.workspace import Workspace
from outlast.types import moment

NEVER = -(2**62)
ID, KEY = "prediction_id", "key"
_THIN = (ID, KEY, SEGMENT, "version", "at", "decide_at")
_WANTED = tuple(dict.fromkeys([*_THIN, *COLUMNS]))
_LABEL = (ID, KEY, "value", "known_at", "at", SEGMENT)
_LATE = 2**62


@dataclass(frozen=True)
class Point:
    """A state of the journal: the number of its last segment, and the moment things are known as of."""

    number: int = 0
    moment: int = NEVER


@dataclass(frozen=True)
class Ripe:
    """Predictions of a version with since < decide_at <= until, in microseconds: they have matured."""

    version: int
    since: int
    until: int


@dataclass(frozen=True, eq=False)
class Arrived:
    """Predictions about which something is new, each once with its `place`, and every label that they have or had.

    Of predictions: `new` came since, `taken` turned out to be a second answer; `number` is their segment's. Of labels:
    `place` of the prediction, `new`, and `by_key` where it was given for the key.
    """

    predictions: pl.DataFrame
    labels: pl.DataFrame
    later: int | None
    """The earliest moment at which a label of the new segments becomes known that is not yet."""


def arrived(
    workspace: Workspace, model: str, points: tuple[Point, Point], ripe: Sequence[Ripe], *, known: bool
) -> Arrived | None:
    """What is new between two points; None for nothing. `known`: old labels may have become known in between."""
    reading = _Reading(workspace, model, *points)
    return reading.read(ripe, known=known) if reading.new or reading.told or ripe or known else None


class _Reading:
    """The journal's tables as they are now, and what belongs to which point."""

    def __init__(self, workspace: Workspace, model: str, before: Point, after: Point) -> None:
        self._workspace, self._before, self._after = workspace, before, after
        self._streams = {kind.name: kind.stream(model) for kind in (PREDICTIONS, LABELS, REPEATS)}
        ledger = workspace.ledger
        self.new = sealing.after(ledger, self._streams["predictions"], before.number, after.number)
        self.told = sealing.after(ledger, self._streams["labels"], before.number, after.number)

    def read(self, ripe: Sequence[Ripe], *, known: bool) -> Arrived | None:
        # Predictions first: what a sealer takes out of them meanwhile is then in both tables, not in none.
        asked, said = self._table(PREDICTIONS), self._table(LABELS)
        if asked is None:
            return None
        again = self._again(asked)
        fresh = self._fresh(asked, again)
        subjects, later = self._subjects(said, known=known)
        old = self._old(asked, again, (subjects, ripe))
        rows = pl.concat([fresh, old], how="diagonal_relaxed")
        rows = rows.unique(ID, keep="first", maintain_order=True).with_row_index("place")
        if rows.is_empty():
            return Arrived(rows, _NO_LABELS, later) if later is not None else None
        return Arrived(rows.with_columns(pl.col("place").cast(pl.Int64)), self._labels(said, rows), later)

    def _table(self, kind: Kind) -> pl.LazyFrame | None:
        try:
            return self._workspace.tables.scan(self._streams[kind.name])
        except NotFound:
            return None

    def _again(self, asked: pl.LazyFrame) -> pl.DataFrame:
        """Predictions that turned out to be second answers, with the number of the segment that took them out."""
        table = self._table(REPEATS)
        if table is None or TAKEN_BY not in table.collect_schema():
            return pl.DataFrame(schema={**asked.collect_schema(), "out": pl.Int64})
        rows = table.filter(pl.col(TAKEN_BY).is_not_null()).collect()
        return rows.with_columns(self._number("predictions", rows[TAKEN_BY]).alias("out")).drop(TAKEN_BY)

    def _fresh(self, asked: pl.LazyFrame, again: pl.DataFrame) -> pl.DataFrame:
        """Predictions of new segments; not those that were there already, nor those that are taken out again."""
        mine = self._whole(asked, again).filter(_one_of(SEGMENT, self.new)).select(*_WANTED).collect()
        number = pl.Series("number", [self.new[name] for name in mine[SEGMENT].to_list()], dtype=pl.Int64)
        mine = mine.with_columns(number, new=pl.lit(True), taken=pl.lit(False)).sort("number", "at", ID)
        mine = mine.unique(ID, keep="first", maintain_order=True)
        if mine.is_empty() or not self._before.number:
            return mine
        there = asked.filter(_one_of(ID, mine[ID]) & ~pl.col(SEGMENT).is_in(list(self.new))).select(ID, SEGMENT)
        return mine.join(self._before_only(there.collect()), on=ID, how="anti")

    def _whole(self, asked: pl.LazyFrame, again: pl.DataFrame) -> pl.LazyFrame:
        """Predictions as they are at the point after: some were taken out of the table since."""
        if again.is_empty():
            return asked
        table = asked.filter(~pl.col(ID).is_in(again[ID].implode()))
        back = again.filter(pl.col("out") > self._after.number).drop("out")
        return pl.concat([table, back.lazy()], how="diagonal_relaxed")

    def _subjects(self, said: pl.LazyFrame | None, *, known: bool) -> tuple[pl.DataFrame, int | None]:
        """Ids and keys that labels are new for, and when the next of those becomes known that is not yet."""
        if said is None or not (self.told or known):
            return _NO_LABELS.select(ID, KEY), None
        which = _one_of(SEGMENT, self.told) if self.told else pl.lit(False)
        if known:
            which = which | (pl.col("known_at") >= moment(self._before.moment))
        rows = said.filter(which).select(ID, KEY, "known_at").collect()
        here = pl.col("known_at") < moment(self._after.moment)
        ahead = rows.filter(~here)["known_at"].dt.epoch("us").min()
        assert ahead is None or isinstance(ahead, int)
        return rows.filter(here).select(ID, KEY), ahead

    def _old(self, asked: pl.LazyFrame, again: pl.DataFrame, what: tuple[pl.DataFrame, Sequence[Ripe]]) -> pl.DataFrame:
        """Predictions counted before that got a label, matured, or turned out to be second answers."""
        subjects, ripe = what
        marked = {"new": pl.lit(False), "taken": pl.lit(False)}
        gone = again.filter(pl.col("out").is_between(self._before.number, self._after.number, closed="right"))
        taken = self._before_only(gone.drop("out")).with_columns(new=pl.lit(False), taken=pl.lit(True))
        which = [_one_of(name, subjects[name].drop_nulls().unique()) for name in (ID, KEY) if subjects[name].count()]
        which += [_ripened(one) for one in ripe]
        if not which or not self._before.number:
            return taken.select(*_WANTED, "number", "new", "taken")
        whole = self._whole(asked, again)
        thin = whole.filter(pl.any_horizontal(which) & ~pl.col(SEGMENT).is_in(list(self.new))).select(_THIN).collect()
        thin = self._before_only(thin)
        if thin.is_empty():
            return taken.select(*_WANTED, "number", "new", "taken")
        near = pl.col("at").is_between(thin["at"].min(), thin["at"].max())
        rows = whole.filter(near & _one_of(ID, thin[ID])).select(*_WANTED).collect()
        rows = rows.join(thin.select(ID, SEGMENT, "number"), on=[ID, SEGMENT]).with_columns(**marked)
        return pl.concat([taken.select(rows.columns), rows], how="diagonal_relaxed")

    def _before_only(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of segments up to the point before, with their numbers."""
        number = self._number("predictions", rows[SEGMENT])
        return rows.with_columns(number.alias("number")).filter(pl.col("number") <= self._before.number)

    def _number(self, stream: str, segments: pl.Series) -> pl.Series:
        """The number of each segment; greater than all of a segment that has none yet."""
        known = sealing.numbers(self._workspace.ledger, self._streams[stream], segments.drop_nulls().unique().to_list())
        return pl.Series([known.get(name, _LATE) for name in segments.to_list()], dtype=pl.Int64)

    def _labels(self, said: pl.LazyFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
        """The labels of predictions at the point after, by id and by key."""
        if said is None:
            return _NO_LABELS
        by = {name: rows[name].drop_nulls().unique() for name in (ID, KEY)}
        which = [_one_of(name, values) for name, values in by.items() if len(values)]
        found = said.filter(pl.any_horizontal(which)).select(_LABEL).collect()
        found = found.with_columns(self._number("labels", found[SEGMENT]).alias("of"))
        found = found.filter(pl.col("of") <= self._after.number)
        found = found.with_columns(new=pl.col("of") > self._before.number).drop("of", SEGMENT)
        joined = [
            found.filter(pl.col(name).is_not_null())
            .join(rows.select("place", name), on=name)
            .select("place", "value", "known_at", "at", "new", by_key=pl.lit(name == KEY))
            for name in (ID, KEY)
        ]
        return pl.concat(joined).with_columns(
            pl.col("place").cast(pl.Int64), pl.col("known_at", "at").dt.epoch("us")
        )  # fmt: skip


_NO_LABELS = pl.DataFrame(
    schema={
        "place": pl.Int64, "value": pl.String, "known_at": pl.Int64, "at": pl.Int64, "new": pl.Boolean,
        "by_key": pl.Boolean, ID: pl.String, KEY: pl.String,
    }
)  # fmt: skip


def _one_of(name: str, values: pl.Series | Collection[str]) -> pl.Expr:
    """Whether a text is one of some; the bounds let files be skipped whose texts are all smaller or greater."""
    given = values if isinstance(values, pl.Series) else pl.Series(list(values), dtype=pl.String)
    if given.is_empty():
        return pl.lit(False)
    bounds = pl.col(name).is_between(pl.lit(given.min()), pl.lit(given.max()))
    return bounds if given.n_unique() == 1 else bounds & pl.col(name).is_in(given.implode())


def _ripened(ripe: Ripe) -> pl.Expr:
    mine = pl.col("version") == ripe.version
    return mine & (pl.col("decide_at") > moment(ripe.since)) & (pl.col("decide_at") <= moment(ripe.until))
