"""What reads: the functions behind the operations that change nothing."""

from collections.abc import Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import AUDIT_LOG, AUDIT_VERIFY, HISTORY, SHOW, TOKENS, VERSIONS
from outlast.control.shapes import About, History, Knowing, Listed, LookingBack, Nothing, Shown
from outlast.evidence.costs import costs
from outlast.gates.verdict import last_verdict
from outlast.registry import rollout, served
from outlast.registry.audit import Entry, Report, entries, examine
from outlast.registry.tokens import Token, tokens
from outlast.registry.versions import find, models, versions


def _versions(acting: Acting, about: About) -> Listed:
    ledger = acting.workspace.ledger
    names = [about.ref.name] if about.model else models(ledger)
    seen = [name for name in names if acting.sees(name)]
    states = {name: rollout.states(ledger, name) for name in seen}
    return Listed([version for name in seen for version in versions(ledger, name)], states)


def _show(acting: Acting, about: About) -> Shown:
    ledger = acting.workspace.ledger
    version = find(ledger, about.ref)
    state = rollout.states(ledger, version.model).get(version.number, "")
    verdict = last_verdict(ledger, version)
    return Shown(version, state, verdict, costs(acting.workspace, version, verdict))


def _history(acting: Acting, about: About) -> History:
    ledger, name = acting.workspace.ledger, about.ref.name
    return History(name, rollout.transitions(ledger, name), served.history(ledger, name), served.troubles(ledger, name))


def _tokens(acting: Acting, _: Nothing) -> list[Token]:
    return tokens(acting.workspace.ledger)


def _audit_log(acting: Acting, asked: LookingBack) -> list[Entry]:
    return entries(acting.workspace.ledger, object=asked.object, since=asked.since, limit=asked.limit)


def _audit_verify(acting: Acting, asked: Knowing) -> Report:
    return examine(acting.workspace.ledger, known=asked.known)


DO: Mapping[str, Do] = {
    VERSIONS.name: _versions,
    SHOW.name: _show,
    HISTORY.name: _history,
    TOKENS.name: _tokens,
    AUDIT_LOG.name: _audit_log,
    AUDIT_VERIFY.name: _audit_verify,
}
