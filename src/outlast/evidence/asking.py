"""The questions that decide whether a model lasts: each answered from what is kept, with the next command."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from outlast.evidence.costs import costs
from outlast.gates.checks import contract_complete
from outlast.gates.verdict import Check, Verdict, last_verdict
from outlast.monitoring.report import Report, report
from outlast.monitoring.telling.routes import place
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.backup.taking import last as last_backup
from outlast.registry.contracts import effective
from outlast.registry.declarations import folder_of
from outlast.registry.rollout import Rollout, current, transitions
from outlast.registry.tokens import tokens
from outlast.registry.versions import Version, find
from outlast.retraining.deciding.records import decisions
from outlast.serving.scoring.planned import due_at, last_of, overdue
from outlast.types import ModelRef, counted, duration, span, utc

BACKUP_AGE = timedelta(days=7)
WATCHED_WITHIN = 3
"""Lengths of a window after which a model that nobody looked at is not watched."""


@dataclass(frozen=True)
class Found:
    """Yes, no, or None where nothing kept tells; what that rests on, and what to do next."""

    yes: bool | None
    rests_on: str
    next: str | None = None


class Case:
    """A model's version, and what is known of it, read once."""

    def __init__(self, workspace: Workspace, version: Version, now: datetime) -> None:
        self.workspace, self.version, self.now = workspace, version, utc(now)
        self.ledger, self.model, self.summary = workspace.ledger, version.model, version.summary

    @cached_property
    def contract(self) -> Contract:
        return effective(self.ledger, self.model, Contract.model_validate(self.summary["contract"]))

    @cached_property
    def verdict(self) -> Verdict | None:
        return last_verdict(self.ledger, self.version)

    @cached_property
    def rollout(self) -> Rollout:
        return current(self.ledger, self.model)

    @cached_property
    def trail(self) -> audit.Report:
        return audit.examine(self.ledger)

    @cached_property
    def report(self) -> Report:
        return report(self.workspace, str(self.version))

    def check(self, *names: str) -> Check | None:
        """What the newest verdict says under the first of these names that it has."""
        found = {one.name: one for one in (self.verdict.checks if self.verdict else ())}
        return next((found[name] for name in names if name in found), None)


Ask = Callable[[Case], Found | None]
"""None where the question does not arise."""


def data_kept(case: Case) -> Found:
    table = str(case.summary.get("snapshot"))
    if not case.workspace.tables.exists(table):
        return Found(False, f"the training set {table} is gone", "outlast train")
    digest = (case.version.lineage.get("training_set") or {}).get("digest")
    said = f", digest {digest[:12]}" if digest else ", without a digest: it was trained by an earlier release"
    return Found(True, f"the training set {table}{said}")


def bytes_kept(case: Case) -> Found:
    digest = case.version.digest
    case.workspace.artifacts.path(digest)  # which reads them all, and says so when they are not
    return Found(True, f"bundle {digest[:12]}, read and compared")


def code_known(case: Case) -> Found:
    code = case.version.lineage.get("code") or {}
    kept = f"the code is in the bundle, {str(case.version.code_digest)[:12]}"
    if not code.get("commit"):
        return Found(True, f"{kept}; no commit: the project is in no repository", "git init")
    changed = ", with changes that were not committed, kept too" if code.get("changed") else ""
    return Found(True, f"{kept}; commit {code['commit'][:12]}{changed}")


def passed_the_gate(case: Case) -> Found:
    verdict, ask = case.verdict, f"outlast promote {case.version}"
    if verdict is None:
        return Found(None, "it was never judged", ask)
    said = f"verdict {verdict.digest[:12]} of {verdict.at:%Y-%m-%d}"
    if not verdict.whole:
        return Found(False, f"{said} was edited after it was written", ask)
    if verdict.passed:
        return Found(True, f"{said}, {len(verdict.checks)} checks")
    return Found(False, f"{said}: {', '.join(one.name for one in verdict.failed)}", f"outlast show {case.version}")


def same_answers(case: Case) -> Found:
    """The skew proof."""
    return _by_check(case, "skew")


def reproducible(case: Case) -> Found:
    return _by_check(case, "reproducible", ask=f"outlast reproduce {case.version}")


def watched(case: Case) -> Found:
    every = case.contract.monitoring.cadence
    if case.rollout.live != case.version.number:
        return Found(None, "it is not live, so there is nothing to watch", f"outlast promote {case.version}")
    if not case.report.lines:
        return Found(False, "no window was ever counted", "outlast tick, by a timer; or outlast up")
    newest = case.report.lines[-1].starts_at + duration(every)
    late = case.now - newest
    if late > WATCHED_WITHIN * duration(every):
        return Found(False, f"the last window ended {_ago(late)}, one is due every {every}", "outlast tick")
    return Found(True, f"{len(case.report.lines)} windows, the last ended {_ago(late)}")


def scored_in_time(case: Case) -> Found | None:
    """Of a table that the contract schedules."""
    plan, last = case.contract.scoring, last_of(case.ledger, case.model)
    if plan.schedule is None:
        return None
    due = due_at(plan.schedule, case.now)
    if last is None:
        return Found(None, f"none was scored yet, one was due {due:%Y-%m-%d %H:%M} UTC", "outlast tick, by a timer")
    if last.due < due and overdue(plan, due, case.now):
        says = f"the last that was looked at was due {last.due:%Y-%m-%d %H:%M}, and another {due:%Y-%m-%d %H:%M} UTC"
        return Found(False, says, "outlast tick, by a timer; or outlast up")
    if not last.done:
        return Found(False if overdue(plan, last.due, case.now) else None, last.says, "mend that, then outlast tick")
    return Found(not overdue(plan, last.due, last.at), last.says)


def somebody_hears(case: Case) -> Found:
    routes = case.contract.monitoring.routes
    told = [route for route in routes if route != "log"]
    if not told:
        return Found(False, "alerts go into the log only", "[monitoring] routes, then outlast apply")
    failed = [one for one in case.report.alerts if one["delivered_at"] is None and one["attempts"]]
    if failed:
        return Found(False, f"{len(failed)} alerts could not be delivered", "outlast doctor")
    return Found(True, f"{len(told)} routes beside the log, nothing waits")


def labels_arrive(case: Case) -> Found:
    total = case.report.total
    if total is None:
        return Found(None, "nothing was answered and counted yet", "outlast serve, then outlast tick")
    found, delay = total.coverage, case.contract.label.delay or "an unknown time"
    if found.value is None:
        return Found(None, found.reason or "none is due yet", f"outlast label; they take {delay}")
    says = f"{found.value:.0%} of {found.n:,} answers whose label is due after {delay}"
    return Found(found.value > 0, says, None if found.value else "outlast label, or bind the label's source")


def retrained(case: Case) -> Found:
    """By when the newest version was trained: a plan that nobody keeps is no evidence."""
    plan = case.contract.retraining
    if plan.policy in (None, "never") or not (plan.schedule or plan.triggers):
        return Found(False, f"policy {plan.policy or 'none'}, no trigger", "[retraining], then outlast apply")
    newest = find(case.ledger, ModelRef(case.model, "latest"))
    age = case.now - utc(newest.created_at)
    said = f"{newest} was trained {_ago(age)}"
    if not plan.schedule:
        begun = any(one.what == "started" for one in decisions(case.ledger, case.model))
        says = f"{said}; ticks train one for {', '.join(plan.triggers)}"
        return Found(True, says) if begun else Found(None, f"{says}, which none was yet", "outlast tick")
    in_time = age <= duration(plan.schedule)
    against = [one.sentence for one in decisions(case.ledger, case.model) if one.what in ("not", "refused", "failed")]
    why = f"; {against[-1]}" if against and not in_time else ""
    says = f"{said}, one is due every {plan.schedule}{why}"
    return Found(in_time, says, None if in_time else "outlast retrain, or outlast decisions")


def somebody_answers(case: Case) -> Found:
    """Owner, and a runbook that exists."""
    owner = case.contract.model.owner
    if not owner:
        return Found(False, "it has no owner", "[model] owner, then outlast apply")
    found = contract_complete(case.contract, folder_of(case.workspace, case.model), case.version.task)
    ask = None if found.passed else "[model] runbook, then outlast apply"
    return Found(found.passed, f"{owner}; {found.says}", ask)


def access(case: Case) -> Found:
    live = [one for one in tokens(case.ledger) if one.state(case.now) == "live" and one.covers(case.model)]
    if not live:
        return Found(False, "there are no tokens: whoever reaches this machine may do all", "outlast token create")
    return Found(True, f"{counted(len(live), 'token')} reach{'es' if len(live) == 1 else ''} it")


def proven_person(case: Case) -> Found:
    steps = [step for step in transitions(case.ledger, case.model) if step.to_version == case.version.number]
    if not steps:
        return Found(None, "it was never live", f"outlast promote {case.version}")
    entries = audit.entries(case.ledger, object=case.model)
    told = next(
        (e for e in reversed(entries) if e.action == audit.TRANSITION and e.detail["sequence"] == steps[-1].sequence),
        None,
    )
    if told is None:
        return Found(False, f"the trail has no entry for transition {steps[-1].sequence}", "outlast doctor")
    known = str(told.detail.get("identity"))
    if known.startswith("token"):
        return Found(True, f"{told.actor}, by {known}")
    return Found(False, f"{told.actor}, as this machine said: unverified", "a token, and a team's server")


def trail_whole(case: Case) -> Found:
    found = case.trail
    if found.broken is not None:
        return Found(False, found.broken.sentence, "compare with a backup: outlast restore FILE --into FOLDER")
    if found.head is None:
        return Found(True, "empty")
    says = f"{counted(found.entries, 'entry', 'entries')}, the last is {found.head[:12]}"
    return Found(True, "; ".join((says, *found.remarks)))


def heads_outside(case: Case) -> Found:
    """Whether who rewrites the database is found out by notes that are not in it."""
    found, outside = case.trail, case.ledger.outside
    if outside is None:
        return Found(False, "nothing is noted outside the database", "[audit] heads in workspace.toml")
    if found.failed:
        return Found(False, "; ".join(found.failed), "outlast audit verify")
    root, file = case.workspace.root, outside.file
    if not file.exists():
        return Found(False, f"{file} is not there", "outlast audit verify")
    says = f"noted in {file.relative_to(root) if file.is_relative_to(root) else file}"
    if outside.webhook:
        return Found(True, f"{says}, and told to {place(outside.webhook)}")
    if file.is_relative_to(case.workspace.home):
        says = f"{says}, beside what it watches over: who may write there may rewrite both"
        return Found(None, says, "[audit] heads on another disk, or [audit] webhook")
    return Found(True, says)


def falls_back(case: Case) -> Found:
    ladder = case.contract.serving.ladder or []
    below = [rung for rung in ladder if rung in ("simpler", "default")]
    if not below:
        return Found(False, "the ladder has no rung below the full model", "[serving] ladder, then outlast train")
    if "simpler" in below and not case.summary.get("simpler"):
        return Found(False, "the ladder names a simpler model, and this version has none", "outlast train")
    return Found(True, " → ".join(ladder))


def way_back(case: Case) -> Found:
    previous = case.rollout.previous
    if previous is None:
        return Found(False, "no version was live before it", "outlast train, then outlast promote")
    before = find(case.ledger, ModelRef(case.model, previous))
    if not case.workspace.artifacts.exists(before.digest):
        return Found(False, f"the bundle of {before} is gone", "outlast restore")
    return Found(True, f"{before}, its bundle is there")


def backed_up(case: Case) -> Found:
    found = last_backup(case.ledger)
    ask = f"outlast backup backups/{case.now:%Y-%m-%d}.tar"
    if found is None:
        return Found(False, "no backup was ever taken", ask)
    age = case.now - datetime.fromisoformat(found["at"])
    says = f"{found['target']}, {_ago(age)}"
    if age > BACKUP_AGE:
        return Found(False, says, ask)
    if not Path(found["target"]).exists():
        return Found(None, f"{says}; it is not there any more, or was moved", ask)
    return Found(True, says)


def worth_it(case: Case) -> Found:
    found = case.summary.get("value")
    if not found:
        return Found(None, "the contract names no payoffs", "[value] payoff, then outlast train")
    amounts = f"{found['low']:+,.4g} to {found['high']:+,.4g} {found['currency']} a decision"
    ask = None if found["low"] > 0 else f"outlast show {case.version}"
    return Found(found["low"] > 0, f"{amounts} above '{found['against']}'", ask)


def worth_it_live(case: Case) -> Found:
    total = case.report.total
    if total is None or total.value.value is None:
        reason = "nothing was counted yet" if total is None else total.value.reason or "it cannot be said yet"
        return Found(None, reason, f"outlast monitor {case.model}")
    found, currency = total.value, case.contract.value.currency
    low = found.low if found.low is not None else found.value
    says = f"{found.value:+,.4g} {currency} a decision, {low:+,.4g} at the low end, over {found.n:,} labelled answers"
    if low is not None and low > 0:
        return Found(True, says)
    lost = found.high is not None and found.high < 0
    return Found(False if lost else None, says, f"outlast monitor {case.model}")


def cost_known(case: Case) -> Found:
    found = costs(case.workspace, case.version, case.verdict)
    if found.per_1000 is None:
        return Found(None, "no verdict measured a server's CPU time", f"outlast gate {case.version}")
    ask = "[costs] cpu_hour in workspace.toml, to have it in money" if found.cpu_hour is None else None
    return Found(True, f"{found.said(found.per_1000)}, by the gate's own server at the contract's rate", ask)


QUESTIONS: dict[str, dict[str, Ask]] = {
    "kept": {
        "Is the data it learned from kept?": data_kept,
        "Is the code that made it known?": code_known,
        "Are its bytes what they were?": bytes_kept,
        "Was it backed up lately?": backed_up,
    },
    "tested": {
        "Did it pass the gate?": passed_the_gate,
        "Are its answers those of training?": same_answers,
        "Can it be made again?": reproducible,
    },
    "watched": {
        "Is it watched?": watched,
        "Is its table scored in time?": scored_in_time,
        "Does somebody hear of trouble?": somebody_hears,
        "Do its labels arrive?": labels_arrive,
        "Is a successor trained in time?": retrained,
    },
    "answered for": {
        "Does somebody answer for it, with a runbook?": somebody_answers,
        "Is it known who may do what?": access,
        "Is it proven who made it live?": proven_person,
        "Is the audit trail whole?": trail_whole,
        "Is its head noted outside the database?": heads_outside,
    },
    "when it fails": {
        "Is there something below the full model?": falls_back,
        "Is there a version to go back to?": way_back,
    },
    "worth it": {
        "Is it worth more than the baseline, in the evaluation?": worth_it,
        "Is it worth it live?": worth_it_live,
        "Is it known what 1,000 answers cost?": cost_known,
    },
}
"""Every question with what answers it, by group, in the order in which they are told."""


def _by_check(case: Case, name: str, ask: str | None = None) -> Found:
    check = case.check(name)
    if check is None:
        return Found(None, "its newest verdict does not say", ask or f"outlast promote {case.version}")
    return Found(check.passed, check.says, None if check.passed else ask or f"outlast show {case.version}")


def _ago(age: timedelta) -> str:
    unit = timedelta(days=1) if age >= timedelta(days=2) else timedelta(hours=1) if age >= timedelta(hours=2) else None
    whole = max(age, timedelta(0)) // (unit or timedelta(minutes=1)) * (unit or timedelta(minutes=1))
    return f"{span(whole)} ago"
