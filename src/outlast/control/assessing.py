"""What holds a version against what is asked of it, or against another: the card, ready, compare."""

from collections.abc import Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import CARD, COMPARE, READY
from outlast.control.shapes import About, Comparing
from outlast.errors import RequestError
from outlast.evidence.card.parts import Card
from outlast.evidence.card.writing import card
from outlast.evidence.ready import ready
from outlast.evidence.told import Ready
from outlast.gates.compare import compare
from outlast.gates.compared import Compared
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


DO: Mapping[str, Do] = {CARD.name: _card, READY.name: _ready, COMPARE.name: _compare}
