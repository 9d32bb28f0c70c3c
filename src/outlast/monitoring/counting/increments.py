"""From what arrived to what it adds: per version, slice and check, and per window that was decided about."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl

from outlast.monitoring.counting import known
from outlast.monitoring.counting.arrivals import Arrived, Point
from outlast.monitoring.counting.counts import Counts, Ints
from outlast.monitoring.counting.grading import measured
from outlast.monitoring.counting.known import Span
from outlast.monitoring.counting.tabling import Rows, table
from outlast.monitoring.subject import Subject

Place = tuple[int, str]
"""A version and a slice; '' is all of it."""


@dataclass
class Increments:
    """What is to be added: by version and slice, to which check, and to which window, by their numbers."""

    checks: dict[Place, dict[int, Counts]] = field(default_factory=lambda: defaultdict(dict))
    cohorts: dict[Place, dict[int, Counts]] = field(default_factory=lambda: defaultdict(dict))


def increments(
    found: Arrived,
    points: tuple[Point, Point],
    span: Span,
    *,
    subject: Callable[[int], Subject],
    slices: Mapping[str, int],
) -> Increments:
    """What arrived, as counts. A slice's column counts predictions of segments after the number it was declared at."""
    made = Increments()
    for (version,), rows in found.predictions.partition_by("version", as_dict=True).items():
        rows = rows.drop("place").with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
        old = found.predictions.filter(pl.col("version") == version)["place"]
        moved = pl.DataFrame({"place": old, "to": rows["place"]})
        labels = found.labels.join(moved, on="place").drop("place").rename({"to": "place"})
        _of_version(made, Arrived(rows, labels, None), points, span, subject(int(version)), slices)
    return made


def _of_version(
    made: Increments,
    found: Arrived,
    points: tuple[Point, Point],
    span: Span,
    subject: Subject,
    slices: Mapping[str, int],
) -> None:
    terms, rows = subject.terms, found.predictions
    answered = terms.answered(rows)
    came = known.arrivals(found, span)
    changes = known.states(found, *points, span, terms.maturity)
    places = came["place"].to_numpy()
    added = measured(answered, (places, came["sign"].to_numpy()), known.of(changes), terms)
    place = np.concatenate([places, changes["place"].to_numpy()])
    check = np.concatenate([came["check"].to_numpy(), changes["check"].to_numpy()])
    window = (answered.decided // (span.length // timedelta(microseconds=1)))[place]
    whole = np.zeros(len(place), np.int64)
    into = ((made.checks, check), (made.cohorts, window))
    for target, numbers in into:
        _put(target, (subject, [""]), added, (whole, numbers))
    number = rows["number"].to_numpy()
    for column, since in slices.items():
        mine, names = subject.slices.of(column, answered)
        mine = np.where(number > since, mine, -1)[place]
        for target, numbers in into:
            _put(target, (subject, names), added, (mine, numbers))


def _put(
    into: dict[Place, dict[int, Counts]], of: tuple[Subject, list[str]], added: Rows, rows: tuple[Ints, Ints]
) -> None:
    """Add up rows by their slice, a place in the list of names, and their number."""
    (subject, names), (mine, numbers) = of, rows
    here = mine >= 0
    if not here.any():
        return
    first = int(numbers.min())
    width = int(numbers.max()) - first + 1
    pairs, codes = np.unique(mine[here] * width + numbers[here] - first, return_inverse=True)
    groups = np.full(len(mine), -1, np.int64)
    groups[here] = codes
    each = table(added, groups, len(pairs), subject.terms.features, light=names != [""])
    for pair, counts in zip(pairs.tolist(), each, strict=True):
        if counts:
            into[subject.version, names[pair // width]][pair % width + first] = counts
