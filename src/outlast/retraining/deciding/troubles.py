"""What is wrong with a model now, as far as the loop asks: value lost, something moved, or its data broken."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from outlast.monitoring.telling.alerts import STANDS, alerts
from outlast.storage.ledger import Ledger

Sort = Literal["harm", "drift", "data"]
_HARM = frozenset({"loss", "value", "estimated-loss", "calibration", "slice", "error"})
_DRIFT = frozenset({"feature-drift", "score-drift", "drift", "multivariate"})
_BROKEN = frozenset({"empty-column", "schema", "type", "missing", "duplicates", "feed-broken", "feed-stale"})
_ODD = frozenset({"data-quality", "unseen", "stale", "volume", "no-traffic", "late-feed", "feed-volume", "feed-late"})
"""Data that are broken, and data that are odd: the latter only where somebody was woken for it."""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong: of which sort, whether it pages, since when."""

    sort: Sort
    page: bool
    since: datetime
    sentence: str


def sort_of(kind: str, *, page: bool) -> Sort | None:
    """What a kind of finding means to the loop; None where it means nothing."""
    known: dict[Sort, frozenset[str]] = {"harm": _HARM, "drift": _DRIFT, "data": _BROKEN | _ODD if page else _BROKEN}
    return next((sort for sort, kinds in known.items() if kind in kinds), None)


def troubles(ledger: Ledger, model: str, now: datetime) -> list[Trouble]:
    """What is wrong now, oldest first."""
    found = []
    for one in alerts(ledger, model):
        sort = sort_of(one.kind, page=one.severity == "page")
        if sort is not None and now - one.at <= max(STANDS[one.severity], timedelta(days=1)):
            found.append(Trouble(sort, one.severity == "page", one.at, one.sentence))
    return list(dict.fromkeys(found))
