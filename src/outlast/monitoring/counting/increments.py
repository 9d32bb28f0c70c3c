"""From what arrived to what it adds: per version, slice and check, and per window that was decided about."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl

from outlast.monitoring.counting import known
from outlast.monitoring.counting.answered import Answered
from outlast.monitoring.counting.arrivals import Arrived, Point
from outlast.monitoring.counting.counts import Counts, Ints
from outlast.monitoring.counting.grading import measured
from outlast.monitoring.counting.known import Span
from outlast.monitoring.counting.tabling import Rows, table
from outlast.monitoring.counting.waiting import Waiting, matured
from outlast.monitoring.subject import Subject

Place = tuple[int, str]
"""A version and a slice; '' is all of it."""

ARRIVALS = "labels"
"""In checks, the place of a slice at which it is counted how many labels were here when predictions matured."""
_MICROSECOND = timedelta(microseconds=1)


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
    waiting: Mapping[int, Waiting] | None = None,
) -> Increments:
    """What arrived, as counts. A slice's column counts predictions of segments after the number it was declared at."""
    made, waits = Increments(), waiting or {}
    for version, mine in by_version(found):
        of = subject(version)
        _of_version(made, mine, points, span, of, slices, waits.get(version, Waiting()))
        arrived = _arrivals(mine, points, span, of)
        if arrived:
            made.checks[version, ARRIVALS] = arrived
    return made


def by_version(found: Arrived) -> Iterator[tuple[int, Arrived]]:
    """What arrived about each version's predictions, with places of their own."""
    for (version,), rows in found.predictions.partition_by("version", as_dict=True).items():
        rows = rows.drop("place").with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
        old = found.predictions.filter(pl.col("version") == version)["place"]
        moved = pl.DataFrame({"place": old, "to": rows["place"]})
        labels = found.labels.join(moved, on="place").drop("place").rename({"to": "place"})
        yield int(version), Arrived(rows, labels, None)


def _of_version(
    made: Increments,
    found: Arrived,
    points: tuple[Point, Point],
    span: Span,
    subject: Subject,
    slices: Mapping[str, int],
    waiting: Waiting,
) -> None:
    """Into windows when predictions mature, into checks when their cohort does."""
    answered = subject.terms.answered(found.predictions)
    matures = answered.decided + subject.terms.maturity // _MICROSECOND
    shown = waiting.due(answered.decided, subject.terms.maturity)
    both = (made.checks, made.cohorts)
    each = [(matures, both)] if np.array_equal(matures, shown) else [(shown, both[:1]), (matures, both[1:])]
    for due, into in each:
        _added(_Part(found, answered, points, span, subject, slices), due, made.cohorts, into)


@dataclass(frozen=True)
class _Part:
    found: Arrived
    answered: Answered
    points: tuple[Point, Point]
    span: Span
    subject: Subject
    slices: Mapping[str, int]


_Into = dict[Place, dict[int, Counts]]


def _added(part: _Part, due: Ints, windows: _Into, into: Sequence[_Into]) -> None:
    found, answered, span, subject = part.found, part.answered, part.span, part.subject
    came = known.arrivals(found, span)
    changes = known.states(found, *part.points, span, due)
    places = came["place"].to_numpy()
    added = measured(answered, (places, came["sign"].to_numpy()), known.of(changes), subject.terms)
    place = np.concatenate([places, changes["place"].to_numpy()])
    check = np.concatenate([came["check"].to_numpy(), changes["check"].to_numpy()])
    window = (answered.decided // (span.length // _MICROSECOND))[place]
    targets = [(target, window if target is windows else check) for target in into]
    whole = np.zeros(len(place), np.int64)
    for target, numbers in targets:
        _put(target, (subject, [""]), added, (whole, numbers))
    number = found.predictions["number"].to_numpy()
    for column, since in part.slices.items():
        mine, names = subject.slices.of(column, answered)
        mine = np.where(number > since, mine, -1)[place]
        for target, numbers in targets:
            _put(target, (subject, names), added, (mine, numbers))


def _arrivals(found: Arrived, points: tuple[Point, Point], span: Span, subject: Subject) -> dict[int, Counts]:
    """Of predictions that matured, by check: whether a label was here, and whether by half of the maturity."""
    maturity = subject.terms.maturity
    if not maturity:
        return {}
    rows = matured(found, points, maturity).with_columns(check=span.of(pl.col("due")))
    soon = pl.col("lag") <= maturity // _MICROSECOND // 2
    each = rows.group_by("check").agg(due=pl.len(), here=pl.col("lag").count(), soon=soon.sum())
    names = ("due", "here", "soon")
    return {check: Counts.of((), 0, {}, dict(zip(names, sums, strict=True))) for check, *sums in each.iter_rows()}


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
