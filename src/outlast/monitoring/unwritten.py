"""Alerts for answers that servers could not write down: refused, or given and lost."""

from datetime import datetime, timedelta

from outlast.journal.unwritten import lost
from outlast.monitoring.counting.windows import starts_of
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject
from outlast.storage.ledger import Ledger

_DAY = timedelta(days=1)


def tell(ledger: Ledger, of: Subject, now: datetime) -> int:
    """Raise what servers noted of a model in the last day; how many alerts are new."""
    noted = [one for one in lost(ledger, since=now - _DAY) if of.model in one.models]
    if not noted:
        return 0
    found = [Finding("journal", one.server, "page", one.sentence, None) for one in noted]
    day = starts_of(now, _DAY)
    with ledger.write() as connection:
        return raise_findings(connection, Scope(of.model, of.version, "day", day, day + _DAY), found, of.contract, now)
