"""What is known of the slices that a contract declares, the one that surely gains least first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from outlast.monitoring.counting.counts import merged
from outlast.monitoring.counting.windows import sliced
from outlast.monitoring.figures import METRICS, Figure, figures
from outlast.monitoring.subject import Subject
from outlast.storage.ledger import Ledger


@dataclass(frozen=True)
class SliceFigures:
    """One value of a declared column."""

    slice: str
    """`column=value`."""
    rows: int
    coverage: Figure
    metric: Figure
    gain: Figure
    """Per decision, against the baseline."""


def of_slices(
    ledger: Ledger, subject: Subject, metric: str, since: datetime | None, until: datetime | None
) -> Sequence[SliceFigures]:
    """The declared slices of a version between two moments; none of a model that declares none."""
    if not subject.contract.monitoring.slices:
        return ()
    found = []
    for name, windows in sliced(ledger, subject.model, subject.version, since, until).items():
        counts = merged(windows)
        if counts is None or not counts.rows or name.partition("=")[0] not in subject.contract.monitoring.slices:
            continue
        shown = figures(counts, subject.profile, subject.task, columns=False)
        measured = METRICS[subject.task][metric](counts)
        found.append(SliceFigures(name, counts.rows, shown.coverage, measured, shown.gain_per_decision))
    return sorted(found, key=lambda one: (_most(one.gain), -one.rows, one.slice))


def _most(gain: Figure) -> float:
    """What it gains at the most: few rows alone put no slice in front."""
    return math.inf if gain.high is None else float(gain.high)
