"""What the newest answers will turn out to have been worth, before their labels are here."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from outlast.monitoring.counting.checks import closed_until, period
from outlast.monitoring.estimating import Estimate, Live, Matured, estimate
from outlast.monitoring.subject import Subject
from outlast.storage.ledger import Ledger

BACK = timedelta(days=7)
"""How much of what came last is estimated."""


@dataclass(frozen=True)
class Expected:
    """An estimate of the answers since a moment, or the reason why there is none."""

    since: datetime
    until: datetime
    rows: int
    figures: dict[str, Any]
    """Each with its value and the interval that holds 90 of 100."""
    reference: float | None
    reason: str | None


def expected_of(ledger: Ledger, subject: Subject) -> Expected | None:
    """The newest week of a version's answers; None before the first check has closed."""
    until = closed_until(ledger, subject.model)
    if until is None:
        return None
    came = period(ledger, subject.model, subject.version, "", until - BACK, until)
    if came is None or not came.rows:
        return None
    ever = period(ledger, subject.model, subject.version, "", None, until) or came
    live = Live(came.cells, came.array("leaves"))
    matured = Matured(ever.graded, ever.array("graded_leaves"))
    found = estimate(subject.past, subject.task, live, matured, hours=int(BACK / timedelta(hours=1)))
    if isinstance(found, Estimate):
        figures = {name: asdict(figure) for name, figure in found.figures.items()}
        return Expected(until - BACK, until, came.rows, figures, found.reference, None)
    return Expected(until - BACK, until, came.rows, {}, None, found.reason)
