"""From findings to incidents: each finding opens one or joins it, and only what is new or worse is said.

All of it happens within the caller's transaction, under the model's name, so that jobs which find something at the same
time end at the same incidents as one after the other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents import keeping
from outlast.monitoring.incidents.acceptance import Accepted, accepted
from outlast.monitoring.incidents.grouping import (
    PERFORMANCE,
    Scope,
    cause_of,
    family,
    home,
    in_order,
    onset,
    source_of,
    stream_of,
)
from outlast.monitoring.incidents.incident import Found, Incident, Level
from outlast.monitoring.incidents.severity import LEVELS, MOVEMENT, benign, gravest, level
from outlast.monitoring.judge import Finding, Severity
from outlast.monitoring.telling.alerts import Message, say
from outlast.project.contract import Contract
from outlast.types import utc

REMEMBERED = timedelta(days=30)
"""How long a closed incident is remembered: the same cause again within this time says that it came back."""
NAMED = 5
STREAMS = 200
"""Streams that an incident lists; what else joins is counted with the last of them."""


@dataclass
class _Step:
    """What findings do to one incident."""

    incident: Incident
    before: Incident | None
    """As it stood; None where it is opened now."""
    findings: list[Finding] = field(default_factory=list)
    new: list[Finding] = field(default_factory=list)
    """Those of streams that it did not know."""


def raise_findings(
    connection: sa.Connection, scope: Scope, findings: Sequence[Finding], contract: Contract, now: datetime
) -> int:
    """Let findings open incidents or join them; returns how many incidents were opened, or became worse."""
    if not findings:
        return 0
    keeping.hold(connection, scope.model)
    known = keeping.standing(connection, scope.model, utc(now) - REMEMBERED)
    normal = accepted(connection, scope.model)
    steps: dict[str, _Step] = {}
    for finding in in_order(findings):
        if _is_past(finding, scope, known) or _is_normal(finding, scope, normal, contract):
            continue
        live = [step.incident for step in steps.values()]
        live += [one for one in known if one.live and one.id not in steps]
        there = home(finding, scope, live)
        if there is None:
            there = _opened(connection, finding, scope, contract, (known, now))
            steps[there.id] = _Step(there, None)
        step = steps.setdefault(there.id, _Step(there, there))
        _join(step, finding, scope, contract)
    return sum(_settle(connection, step, scope, contract, utc(now)) for step in steps.values())


def measured(
    connection: sa.Connection, incident: Incident, harm: Harm, scope: Scope, contract: Contract, now: datetime
) -> int:
    """Let an incident cost what it does by now; where that is worse, it is said. Returns how many were said."""
    most = max(incident.found, key=lambda one: (one.kind not in MOVEMENT, one.last))
    finding = Finding(most.kind, most.column, _word(most.severity), most.sentence, 1.0, harm=harm)
    kept = replace(
        incident,
        cost=harm,
        severity=gravest([incident.severity, _level(finding, contract)]),
        benign=incident.benign and benign(finding, contract.monitoring.tolerance),
    )
    if kept.severity == incident.severity and kept.benign == incident.benign:
        keeping.put(connection, kept)
        return 0
    return _settle(connection, _Step(kept, incident, [finding]), scope, contract, utc(now))


def _word(severity: str) -> Severity:
    return "page" if severity == "page" else "ticket"


def _is_past(finding: Finding, scope: Scope, known: Sequence[Incident]) -> bool:
    """Whether it tells of a time before somebody closed the incident that has it."""
    stream = stream_of(finding)
    return any(one.closed_at is not None and scope.starts_at < one.closed_at and stream in one.streams for one in known)


def _is_normal(finding: Finding, scope: Scope, normal: Sequence[Accepted], contract: Contract) -> bool:
    """Whether somebody has accepted this as normal, and it is no worse than what was accepted."""
    if finding.against != "promotion":
        return False
    found = level(finding, contract.monitoring.tolerance)
    return any(
        one.covers(*stream_of(finding), scope.starts_at) and LEVELS.index(found) >= LEVELS.index(one.level)
        for one in normal
    )


def _opened(
    connection: sa.Connection,
    finding: Finding,
    scope: Scope,
    contract: Contract,
    then: tuple[Sequence[Incident], datetime],
) -> Incident:
    """A new incident around its first finding, which is yet to join."""
    known, now = then
    cause, since = cause_of(finding, scope), onset(finding, scope)
    closed = [one for one in known if not one.live and one.cause == cause]
    return Incident(
        keeping.new_id(connection, scope.model, cause, since), scope.model, scope.version, cause, "SEV3", "open",
        _owner(contract), contract.model.runbook, finding.sentence, since, scope.ends_at, utc(now), utc(now), utc(now),
        None, utc(now), (),
        currency=contract.value.currency, benign=True, before=closed[-1].id if closed else None,
    )  # fmt: skip


def _owner(contract: Contract) -> str | None:
    return (contract.model.owner or "").strip() or None


def _join(step: _Step, finding: Finding, scope: Scope, contract: Contract) -> None:
    was, tolerance = step.incident, contract.monitoring.tolerance
    found, new = _listed(was.found, finding, scope)
    fault = family(finding.kind) == "data"
    takes_over = fault and was.cause == PERFORMANCE
    known = fault and source_of(finding, scope) is not None and was.cause.startswith(("column ", "data"))
    step.incident = replace(
        was,
        cause=cause_of(finding, scope) if takes_over or known else was.cause,
        title=finding.sentence if takes_over else was.title,
        severity=gravest([was.severity, level(finding, tolerance)]),
        since=min(was.since, onset(finding, scope)) if fault or not was.found else was.since,
        last=max(was.last, scope.ends_at),
        found=found,
        cost=_cost(was, finding, scope),
        calm_since=None,
        benign=was.benign and benign(finding, tolerance),
    )
    step.findings.append(finding)
    if new:
        step.new.append(finding)


def _listed(found: tuple[Found, ...], finding: Finding, scope: Scope) -> tuple[tuple[Found, ...], bool]:
    """The streams with this finding among them, and whether its stream is new."""
    kind, column = stream_of(finding)
    for place, one in enumerate(found):
        if (one.kind, one.column) == (kind, column) or place == STREAMS - 1:
            newer = scope.ends_at >= one.last
            said = finding.sentence if newer else one.sentence
            severity = "page" if "page" in (one.severity, finding.severity) else "ticket"
            times = one.times + (scope.ends_at > one.last)  # looked at twice, a time counts once
            kept = replace(one, sentence=said, severity=severity, last=max(one.last, scope.ends_at), times=times)
            return (*found[:place], kept, *found[place + 1 :]), False
    return (*found, Found(kind, column, finding.severity, finding.sentence, scope.starts_at, scope.ends_at)), True


def _cost(was: Incident, finding: Finding, scope: Scope) -> Harm | None:
    """The newest cost that is known; of one time, the largest."""
    if finding.harm is None:
        return was.cost
    if was.cost is None or scope.ends_at > was.last:
        return finding.harm
    return max(finding.harm, was.cost, key=lambda one: one.per_day) if scope.ends_at == was.last else was.cost


def _settle(connection: sa.Connection, step: _Step, scope: Scope, contract: Contract, now: datetime) -> int:
    """Write what became of an incident, and say it where it is new or worse; how many were said."""
    incident, before = replace(step.incident, seen_at=now), step.before
    worse = before is not None and LEVELS.index(incident.severity) < LEVELS.index(before.severity)
    hurts = before is not None and before.benign and not incident.benign
    if worse:  # whoever has looked at it has seen something smaller
        incident = replace(incident, state="open", snoozed_until=None)
    if worse or hurts:
        incident = replace(incident, told_at=now, escalated_at=None)
    if before is None or worse or step.new or incident.cause != before.cause:
        incident = replace(incident, changed_at=now)
    keeping.put(connection, incident)
    _note(connection, replace(step, incident=incident), now, worse=worse)
    if incident.benign or not (before is None or worse or hurts):
        return 0
    action = "opened" if before is None or hurts else "worsened"
    return _tell(connection, step, (incident, action), scope, contract, now)


def _note(connection: sa.Connection, step: _Step, now: datetime, *, worse: bool) -> None:
    """The lines of the timeline."""
    incident, before, words = step.incident, step.before, _said(step.findings)
    if before is None:
        again = f"; it came back, {incident.before} was closed" if incident.before else ""
        quiet = "; it costs next to nothing, nobody was told" if incident.benign else ""
        keeping.note(connection, incident.id, "opened", f"{words}{again}{quiet}", at=now)
        return
    if before.calm_since is not None:
        keeping.note(connection, incident.id, "again", f"found again after a calm: {words}", at=now)
    if worse:
        said = f"{incident.severity}, it was {before.severity}: {words}"
        keeping.note(connection, incident.id, "worsened", said, at=now)
    elif step.new:
        keeping.note(connection, incident.id, "joined", _said(step.new), at=now)
    if incident.cause != before.cause:
        keeping.note(connection, incident.id, "cause", f"{incident.cause}, it was {before.cause}", at=now)


def _tell(
    connection: sa.Connection, step: _Step, what: tuple[Incident, str], scope: Scope, contract: Contract, now: datetime
) -> int:
    incident, action = what
    worst = min(step.findings, key=lambda one: LEVELS.index(_level(one, contract)))
    words = _said(step.findings)
    sentence = f"{scope}: {words}" if action == "opened" else f"{scope}: now {incident.severity}: {words}"
    detail = {
        "version": scope.version,
        "scale": scope.scale,
        "from": scope.starts_at.isoformat(),
        "until": scope.ends_at.isoformat(),
        "columns": sorted({f.column for f in step.findings}, key=str),
        "findings": [{"column": f.column, "sentence": f.sentence, "deviation": f.deviation} for f in step.findings],
        **about(incident),
        "step": action,
    }
    key = (incident.id, action, incident.severity)
    message = Message(incident.model, worst.kind, key, incident.urgency, f"{sentence} ({incident.name})", detail)
    return min(1, say(connection, message, contract.monitoring.routes, now))


def about(incident: Incident) -> dict[str, object]:
    """What every message about an incident says of it."""
    cost = None if incident.cost is None else {**asdict(incident.cost), "currency": incident.currency}
    return {
        "incident": incident.id,
        "level": incident.severity,
        "cause": incident.cause,
        "since": incident.since.isoformat(),
        "cost_per_day": cost,
        "proposed": incident.proposed,
        "owner": incident.owner,
        "runbook": incident.runbook,
    }


def _level(finding: Finding, contract: Contract) -> Level:
    return level(finding, contract.monitoring.tolerance)


def _said(findings: Sequence[Finding]) -> str:
    shown = [finding.sentence for finding in findings[:NAMED]]
    more = len(findings) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
