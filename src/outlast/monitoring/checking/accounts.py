"""What incidents that go on cost by now, and what goes with them: the first alarm rests on few outcomes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from outlast.monitoring.causes import Account, Case, Onset, account
from outlast.monitoring.causes.onsets import Kind
from outlast.monitoring.checking.harm import harm_of, rows_a_day, spread_of
from outlast.monitoring.checking.plans import Watch
from outlast.monitoring.checking.words import LATELY
from outlast.monitoring.counting.checks import closed_until, period
from outlast.monitoring.counting.counts import Counts, Ints
from outlast.monitoring.counting.windows import decided, newest
from outlast.monitoring.estimating import Live
from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents import keeping
from outlast.monitoring.incidents.grouping import Scope, family
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.raising import measured
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage.ledger import Ledger

_KINDS: dict[str, Kind] = {
    "data-quality": "quality",
    "feature-jump": "quality",
    "empty-column": "quality",
    "feature-drift": "feature",
    "score-drift": "score",
    "calibration": "calibration",
}
_OUTCOMES = frozenset({"loss", "value", "error", "calibration", "slice", "label-drift"})
"""Kinds of what became of decisions: they rest on outcomes that came since, of decisions from before, too."""
_AGAIN = timedelta(days=7)
"""How often an account is made anew, once it rests on outcomes: it takes seconds, and days of labels to change."""
_KNOWN = 500
"""Outcomes since the onset from which an account rests on them."""
_LEAST = 200
"""Answers since the onset below which there is nothing to account for."""


def measure_open(workspace: Workspace, watch: Watch, *, now: datetime, hold: Callable[[], None]) -> int:
    """Measure every incident that goes on; returns how many became worse by it, and were said."""
    ledger, subject = workspace.ledger, watch.subject
    until = closed_until(ledger, subject.model)
    live = incidents(ledger, subject.model, live=True)
    raised, asked = 0, newest(ledger, subject.model, subject.version)
    for incident in live:
        if until is None or asked is None or incident.version != subject.version or not _loses(incident):
            continue
        hold()
        came = _came(ledger, subject, incident, until)
        if came is None or came.rows < _LEAST:
            continue
        found, length = None, min(until, asked + subject.cadence) - incident.since
        if _due(incident, came, now):
            lately = _lately(ledger, subject, live, incident.since)
            found = _account(watch, incident, (came, lately), live, length)
        raised += _written(workspace, watch, (incident, came, found), (until, length), now)
    return raised


def _came(ledger: Ledger, subject: Subject, incident: Incident, until: datetime) -> Counts | None:
    """What came since an incident began; of what is about the data asked, only what was decided about since."""
    if any(one.kind in _OUTCOMES for one in incident.found):
        return period(ledger, subject.model, subject.version, "", incident.since, until)
    return decided(ledger, subject.model, subject.version, incident.since, until)


def cost_of(watch: Watch, came: Counts, length: timedelta) -> Harm | None:
    """What the answers of a stretch cost a day more than the reference's."""
    past, (a_day, stake) = watch.watched.past, _at_stake(watch, came, length)
    return harm_of(
        came.array("loss"),
        past.totals.by_leaf.sum(axis=(0, 1)),
        spread=spread_of(past.rows, int(past.blocks.mills.sum()), int(past.blocks.squares.sum())),
        scale=past.scale,
        a_day=a_day,
        effect=_effect(watch),
        stake=stake or None,
    )


def _at_stake(watch: Watch, came: Counts, length: timedelta) -> tuple[float, float]:
    """Decisions a day, and what the evaluation promised that they are worth beyond the baseline."""
    value = watch.subject.summary.get("value") or {}
    a_day = rows_a_day(came.rows, max(length, timedelta(hours=1)))
    return a_day, abs(value.get("per_decision", 0.0)) * a_day  # which is beyond the baseline already


def _written(
    workspace: Workspace,
    watch: Watch,
    what: tuple[Incident, Counts, Account | None],
    when: tuple[datetime, timedelta],
    now: datetime,
) -> int:
    """Keep cost and account, unless somebody closed the incident meanwhile."""
    (incident, came, found), (until, length), subject = what, when, watch.subject
    harm = cost_of(watch, came, length)
    with workspace.ledger.write() as connection:
        keeping.hold(connection, subject.model)
        standing = {one.id: one for one in keeping.standing(connection, subject.model, now)}
        kept = standing.get(incident.id)
        if kept is None or not kept.live:
            return 0
        if found is not None:
            if kept.proposed != found.action:
                keeping.note(connection, kept.id, "account", found.sentence, at=now)
            known = bool(came.array("loss")[0] >= _KNOWN)
            kept = replace(kept, account=found.sentence, proposed=found.action, accounted_at=now, account_known=known)
            keeping.put(connection, kept)
        if harm is None:
            return 0
        scope = Scope(subject.model, subject.version, "window", until - subject.cadence, until, subject.sources)
        return measured(connection, kept, harm, scope, subject.contract, now)


def _account(
    watch: Watch,
    incident: Incident,
    what: tuple[Counts, dict[str, Ints]],
    live: Sequence[Incident],
    length: timedelta,
) -> Account:
    (came, lately), subject, past = what, watch.subject, watch.watched.past
    pairs, words = past.totals.by_pair.shape[0], len(past.declared.words)
    a_day, stake = _at_stake(watch, came, length)
    return account(
        Case(
            subject.profile,
            past,
            Live(came.cells, came.array("leaves"), _effect(watch)),
            came.array("graded_leaves"),
            came.array("found"),
            came.array("pairs")[:pairs],
            came.array("declared")[:words],
            incident.since,
            [onset for one in live for onset in _onsets(one)],
            subject.sources,
            lately,
            a_day,
            subject.contract.value.currency,
            subject.contract.monitoring.tolerance * stake,
        )
    )


def _lately(ledger: Ledger, subject: Subject, live: Sequence[Incident], since: datetime) -> dict[str, Ints]:
    """Of features that jumped, what came in the days before an incident began."""
    jumped = {found.column for one in live for found in one.found if found.kind == "feature-jump"}
    before = period(ledger, subject.model, subject.version, "", since - LATELY, since) if jumped else None
    if before is None:
        return {}
    return {name: before.cells[place] for place, name in enumerate(subject.profile.names) if name in jumped}


def _onsets(incident: Incident) -> list[Onset]:
    """When each stream of an incident was first found."""
    found = []
    for one in incident.found:
        kind: Kind = "feed" if one.kind.startswith("feed-") else _KINDS.get(one.kind, "loss")
        found.append(Onset(one.column or one.kind, kind, one.first))
    return found


def _due(incident: Incident, came: Counts, now: datetime) -> bool:
    """At once, again when outcomes are here, and then now and then."""
    if incident.accounted_at is None:
        return True
    known = bool(came.array("loss")[0] >= _KNOWN)
    return now - incident.accounted_at >= _AGAIN or (known and not incident.account_known)


def _effect(watch: Watch) -> float:
    """How many rows weigh as one, as the losses of the reference hang together."""
    families = [one for bank in watch.plan.banks for one in bank.families]
    return max((float(one.effects.max()) for one in families if one.name == "loss"), default=1.0)


def _loses(incident: Incident) -> bool:
    """Whether an incident is about what a model loses, or may."""
    return any(family(one.kind) == "following" for one in incident.found)
