"""What holds a version, or a model, against what is asked of it: the card, ready, compare, value, weekly."""

from collections.abc import Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import CARD, COMPARE, READY, VALUE, WEEKLY
from outlast.control.shapes import About, Comparing, Earning, OfWeek
from outlast.errors import RequestError
from outlast.evidence.card.parts import Card
from outlast.evidence.card.writing import card
from outlast.evidence.ready import ready
from outlast.evidence.told import Ready
from outlast.evidence.weekly.paper import Paper
from outlast.evidence.weekly.week import week
from outlast.evidence.weekly.writing import paper
from outlast.gates.compare import compare
from outlast.gates.compared import Compared
from outlast.monitoring.value.live import value
from outlast.monitoring.value.told import Value
from outlast.registry.versions import find


def _card(acting: Acting, about: About) -> Card:
    return card(acting.workspace, find(acting.workspace.ledger, about.ref), now=acting.at)


def _ready(acting: Acting, about: About) -> Ready:
    return ready(acting.workspace, find(acting.workspace.ledger, about.ref), now=acting.at)


def _compare(acting: Acting, asked: Comparing) -> Compared:
    older, newer = (find(acting.workspace.ledger, ref) for ref in asked.pair)
    if asked.other is None and older.number == newer.number:
        raise RequestError(
            f"{newer} is what is live, so there is nothing to hold it against: name two versions, such as "
            f"{newer} {newer.model}@N, out of `outlast versions {newer.model}`"
        )
    return compare(acting.workspace, older, newer, watcher=acting.watcher)


def _value(acting: Acting, asked: Earning) -> Value:
    return value(acting.workspace, str(asked.ref), now=acting.at, period=(asked.since, asked.until))


def _weekly(acting: Acting, asked: OfWeek) -> Paper:
    found = week(acting.workspace, asked.whole, until=asked.until or acting.at, now=acting.at)
    return paper(found, acting.at, pictures=asked.pictures)


DO: Mapping[str, Do] = {
    CARD.name: _card,
    READY.name: _ready,
    COMPARE.name: _compare,
    VALUE.name: _value,
    WEEKLY.name: _weekly,
}
