"""What was accepted as normal, as references of their own beside the promotion's.

The promotion's streams go on, so that a reference that creeps is still seen; what was accepted adds a stream of the
same name, held against the counts of the time that was accepted.
"""

from dataclasses import dataclass

from outlast.monitoring.counting.checks import period
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.incidents.acceptance import OF_VERSION, Accepted, accepted
from outlast.monitoring.subject import Subject
from outlast.storage.ledger import Ledger

TABLES = {
    "feature-drift": "features",
    "data-quality": "features",
    "score-drift": "scores",
    "calibration": "calibration",
    "loss": "loss",
    "slice": "slices",
    "estimated-loss": "estimated",
    "multivariate": "leaves",
    "label-drift": "outcomes",
}
"""The table of each kind of finding that can be accepted."""
LEAST = 1_000
"""Rows of an accepted time below which it is no reference: then nothing but silence follows from it."""


@dataclass(frozen=True, eq=False)
class Normal:
    """An accepted time: its number, the kinds and columns that were accepted, and what came in it."""

    number: int
    streams: tuple[tuple[str, str | None], ...]
    counts: Counts

    def has(self, table: str, column: str | None) -> bool:
        """Whether a stream of a table was accepted; of a version's own, all were together."""
        if table == "features":
            return any(TABLES[kind] == table and column == one for kind, one in self.streams)
        return any(kind in OF_VERSION for kind, _ in self.streams)


def normal_of(ledger: Ledger, subject: Subject) -> tuple[Normal, ...]:
    """What was accepted of a model and came while this version answered, the newest of each stream."""
    with ledger.read() as connection:
        every = accepted(connection, subject.model)
    found: list[Normal] = []
    seen: set[tuple[str, str | None]] = set()
    for number, one in sorted(enumerate(every, start=1), reverse=True):
        fresh = tuple(stream for stream in _apart(one) if stream not in seen)
        counts = _came(ledger, subject, one)
        if fresh and counts is not None and counts.rows >= LEAST:
            found.append(Normal(number, fresh, counts))
            seen |= set(fresh)
    return tuple(found)


def _apart(one: Accepted) -> set[tuple[str, str | None]]:
    """The streams of an acceptance, a version's own as one."""
    kinds = {(kind, column) for kind, column in one.streams if kind in TABLES and kind not in OF_VERSION}
    return kinds | ({("loss", None)} if one.of_version else set())


def _came(ledger: Ledger, subject: Subject, one: Accepted) -> Counts | None:
    until = one.at if one.until is None else min(one.at, one.until)
    return period(ledger, subject.model, subject.version, "", one.since, until)
