"""What is wrong with a model now, as far as the loop asks: value lost, something moved, or its data broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents
from outlast.storage.ledger import Ledger

Sort = Literal["harm", "drift", "data"]
_HARM = frozenset({"loss", "value", "estimated-loss", "calibration", "slice", "error"})
_DRIFT = frozenset({"feature-drift", "score-drift", "drift", "multivariate", "label-drift"})
_BROKEN = frozenset({"empty-column", "schema", "type", "missing", "duplicates", "feed-broken", "feed-stale"})
_FAULTS = ("source ", "column ", "data")
"""How the causes of incidents begin that are about data."""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong: of which sort, whether it pages, since when."""

    sort: Sort
    page: bool
    since: datetime
    sentence: str


def troubles(ledger: Ledger, model: str) -> list[Trouble]:
    """What is wrong now, oldest first, by the incidents that nobody has closed and that have not calmed down."""
    found = sorted(incidents(ledger, model, live=True), key=lambda one: (one.since, one.id))
    return [trouble for one in found if one.calm_since is None for trouble in _of(one)]


def _of(incident: Incident) -> Iterator[Trouble]:
    """An incident may be several: a broken feed, and the value that is lost by it.

    Data that are odd and broke nothing do not count: a column out of its range may be what there is to learn. Where
    the incident's account proposes something, that decides.
    """
    page = incident.urgency == "page"
    kinds = {one.kind for one in incident.found}
    said = f"incident {incident.id}, {incident.severity}, {incident.cause}: {incident.title}"
    if incident.cause.startswith(_FAULTS) and (kinds & _BROKEN or _faulty(incident, page)):
        yield Trouble("data", page, incident.since, said)
    if kinds & _HARM:
        yield Trouble("harm", page, incident.since, said)
    elif kinds & _DRIFT and not incident.benign:
        yield Trouble("drift", page, incident.since, said)


def _faulty(incident: Incident, page: bool) -> bool:
    """Whether odd data are taken for broken ones: as the account says, else when somebody is called for them."""
    return page if incident.proposed in (None, "label") else incident.proposed == "fix feed"
