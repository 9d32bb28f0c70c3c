"""What was known of predictions at the end of each check: the label that held, and whether they had matured.

A label counts from the later of the moment it came and the moment it is known at. Of several the one known last
holds, then the one that came last, then the one given for the prediction itself.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from outlast.monitoring.counting.arrivals import Arrived, Point
from outlast.monitoring.counting.counts import Ints
from outlast.monitoring.counting.grading import NEVER as UNKNOWN
from outlast.monitoring.counting.grading import States

_BEST = ["known_at", "at", "own", "value"]


@dataclass(frozen=True)
class Span:
    """The checks that something may still be put into, by their numbers, and how long each is.

    A check's number counts cadences since 1970 up to its end; what came before its end and was not in an earlier
    check is in it. All that came after the end of `last` is put there too, since it is here.
    """

    first: int
    last: int
    length: timedelta

    @property
    def before(self) -> int:
        """Stands for all that was counted in earlier checks."""
        return self.first - 1

    def of(self, moment: pl.Expr) -> pl.Expr:
        """The check of moments in microseconds."""
        number = moment // (self.length // timedelta(microseconds=1)) + 1
        return number.clip(self.first, self.last)


def arrivals(found: Arrived, span: Span) -> pl.DataFrame:
    """Which predictions came in which check, with sign: one that turned out to be a second answer goes again."""
    check = pl.when("taken").then(span.last).otherwise(span.of(pl.col("at").dt.epoch("us")))
    sign = pl.when("taken").then(-1).otherwise(1)
    changed = found.predictions.filter(pl.col("new") | pl.col("taken"))
    return changed.select("place", check.cast(pl.Int64).alias("check"), sign.cast(pl.Int64).alias("sign"))


def states(found: Arrived, before: Point, after: Point, span: Span, due: Ints) -> pl.DataFrame:
    """What is known of predictions from each check on, minus what was known until then: place, check, sign, label
    (`value`, `known_at`) and `matured`. `due` is when each matures, in microseconds."""
    rows = _rows(found, (before, after), span, due)
    labels = _labels(found, rows, (before, after), span)
    ripe = rows.filter(pl.col("ripe").is_not_null()).select("place", check="ripe")
    each = pl.concat([labels.select("place", "check"), ripe]).unique()
    held = (
        each.join(labels.rename({"check": "since"}), on="place")
        .filter(pl.col("since") <= pl.col("check"))
        .sort("place", "check", *_BEST)
        .unique(["place", "check"], keep="last", maintain_order=True)
        .select("place", "check", "value", "known_at")
    )
    known = each.join(held, on=["place", "check"], how="left").join(rows.select("place", "ripe", "taken"), on="place")
    known = known.with_columns(matured=(pl.col("ripe") <= pl.col("check")).fill_null(False))
    return _changes(known.sort("place", "check"), span).collect()


def of(changes: pl.DataFrame) -> States:
    """The same for grading."""
    known = changes["known_at"].fill_null(UNKNOWN).to_numpy()
    places, signs, matured = (changes[name].to_numpy() for name in ("place", "sign", "matured"))
    return States(places, signs, changes["value"], known, matured)


def _rows(found: Arrived, points: tuple[Point, Point], span: Span, matures: Ints) -> pl.LazyFrame:
    """Predictions with the check they came in, and the one they matured in, if they have."""
    before, after = points
    came = pl.when("new").then(span.of(pl.col("at").dt.epoch("us"))).otherwise(span.before).cast(pl.Int64)
    due = pl.lit(pl.Series("due", matures, dtype=pl.Int64))
    was = ~pl.col("new") & (due <= before.moment)
    ripe = (
        pl.when((due > after.moment) | (pl.col("taken") & ~was))
        .then(None)
        .when(was)
        .then(span.before)
        .otherwise(pl.max_horizontal(span.of(due), came))
    )
    return found.predictions.lazy().select(
        "place", "taken", came.alias("came"), ripe.cast(pl.Int64).alias("ripe"), fresh="new"
    )


def _labels(found: Arrived, rows: pl.LazyFrame, points: tuple[Point, Point], span: Span) -> pl.LazyFrame:
    """Labels that are known, with the check from which on they count."""
    before, after = points
    labels = found.labels.lazy().filter(pl.col("known_at") < after.moment).join(rows, on="place")
    was = ~pl.col("fresh") & ~pl.col("new") & (pl.col("known_at") < before.moment)
    here = pl.max_horizontal(span.of(pl.max_horizontal("at", "known_at")), "came")
    check = pl.when(was).then(span.before).otherwise(here).cast(pl.Int64)
    labels = labels.filter(was | ~pl.col("taken")).with_columns(check=check, own=~pl.col("by_key"))
    return labels.select("place", "check", *_BEST)


def _changes(known: pl.LazyFrame, span: Span) -> pl.LazyFrame:
    """From what was known after each check to what changed in it."""
    kept = ("value", "known_at", "matured")
    same = pl.col("place") == pl.col("place").shift(1)
    known = known.with_columns(pl.when(same).then(pl.col(kept).shift(1)).name.prefix("was_"))
    known = known.with_columns(pl.col("was_matured").fill_null(False))
    here = known.filter(pl.col("check") != span.before).filter(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"was_{name}")) for name in kept)
    )
    now = here.with_columns(sign=pl.lit(1, pl.Int64))
    was = here.with_columns(*(pl.col(f"was_{name}").alias(name) for name in kept), sign=pl.lit(-1, pl.Int64))
    gone = known.filter("taken").with_columns(check=pl.lit(span.last, pl.Int64), sign=pl.lit(-1, pl.Int64))
    columns = ("place", "check", "sign", *kept)
    every = pl.concat([part.select(columns) for part in (was, now, gone)])
    return every.filter(pl.col("value").is_not_null() | pl.col("matured"))
