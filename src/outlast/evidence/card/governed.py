"""The sections about what people did with it: the verdict, approvals, where it was live, how it is watched."""

from outlast.evidence.card.parts import MISSING, Say, Section, facts, grid, text
from outlast.gates.verdict import Verdict
from outlast.monitoring.telling.routes import place
from outlast.project.contract import Contract
from outlast.registry.approvals import approvals
from outlast.registry.rollout import transitions
from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger

PASSED = {True: "passed", False: "failed", None: "could not be said"}


def judged(version: Version, verdict: Verdict | None) -> Section:
    """What the gate found."""
    if verdict is None:
        return Section("What the gate says", (Say(f"It was never judged: outlast gate {version} does that.", True),))
    rows = [(one.name, PASSED[one.passed], one.says) for one in verdict.checks]
    said = "passed" if verdict.passed else "did not pass"
    lead = Say(f"It {said} on {text(verdict.at)}; verdict {verdict.digest[:16]}.")
    edited = () if verdict.whole else (Say("The verdict was edited after it was written: it proves nothing."),)
    return Section(
        "What the gate says", (lead, *edited, grid(("check", "result", "evidence"), rows, empty="No checks."))
    )


def agreed(ledger: Ledger, version: Version) -> Section:
    """Who agreed to it, and where it was let out."""
    people = [(one.at, one.by, one.identity, f"{one.decision}s", one.reason) for one in approvals(ledger, version)]
    steps = [
        (step.at, step.action, step.from_version, step.to_version, step.by, step.reason)
        for step in transitions(ledger, version.model)
        if version.number in (step.from_version, step.to_version, step.challenger)
    ]
    return Section(
        "Who let it out",
        (
            grid(("at", "who", "known by", "what", "why"), people, empty="Nobody approved or rejected it."),
            grid(("at", "what", "from", "to", "by", "why"), steps, empty="It was never live."),
        ),
    )


def watched(contract: Contract) -> Section:
    """How it is watched, and when a successor is trained."""
    watch, retrain, journal = contract.monitoring, contract.retraining, contract.journal
    return Section(
        "How it is watched and replaced",
        (
            facts(
                ("Looked at every", watch.cadence),
                ("Who is told", [place(route) for route in watch.routes] or "nobody"),
                ("Quiet hours", watch.quiet),
                ("False alarms, at most", f"{text(watch.budget)} a year"),
                ("Slices watched", watch.slices),
                ("Retraining", retrain.policy or MISSING),
                ("On schedule", retrain.schedule),
                ("Triggers", retrain.triggers),
                ("Not sooner than", retrain.cooldown),
                ("Answers are kept", journal.keep or "for good"),
                ("Sensitive columns", journal.sensitive),
            ),
        ),
    )
