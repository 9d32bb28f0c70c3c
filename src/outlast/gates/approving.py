"""What lets a version out: a verdict made now, or one that people approved and that still holds."""

from datetime import datetime

from outlast.errors import Refused
from outlast.gates.judge import champion_of, judge
from outlast.gates.verdict import Verdict, as_kept, judged_by
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import approvals, verdicts
from outlast.registry.approvals import Approval, Decision, Rules, Standing
from outlast.registry.contracts import contract_of
from outlast.registry.versions import Version, find
from outlast.training.steps import Steps
from outlast.types import ModelRef


def decide(
    workspace: Workspace, ref: ModelRef, decision: Decision, *, by: str, reason: str, now: datetime
) -> tuple[Approval, Standing]:
    """Approve or reject a version, by default the newest, by the rules of the contract in force."""
    version = find(workspace.ledger, ref if ref.version is not None else ModelRef(ref.name, "latest"))
    rules = Rules.of(contract_of(workspace, version).gate.model_dump())
    return approvals.decide(workspace.ledger, version, decision, by=by, reason=reason, at=now, rules=rules)


def evidence(workspace: Workspace, version: Version, steps: Steps, *, now: datetime) -> Verdict:
    """The verdict on which a version may be let out; Refused with what stands in the way."""
    contract = contract_of(workspace, version)
    rules = Rules.of(contract.gate.model_dump())
    against = approvals.rejections(workspace.ledger, version)
    if against.rejected:
        raise Refused(approvals.refusal(version, against, ""), details=approvals.details(against, ""))
    if rules.needed:
        return _approved(workspace, version, contract, rules)
    verdict = judge(workspace, version, now=now, watcher=steps.watcher)
    require_passed(version, verdict)
    return verdict


def require_passed(version: Version, verdict: Verdict) -> None:
    """Refused, with every check that stands in the way."""
    if not verdict.passed:
        said = "\n".join(f"  {check.name}: {check.says}" for check in verdict.failed)
        stand = "stands" if len(verdict.failed) == 1 else "stand"
        raise Refused(
            f"{version.model}@{version.number} may not go live, {len(verdict.failed)} of {len(verdict.checks)} "
            f"checks {stand} in the way, verdict {verdict.digest[:12]}:\n{said}",
            details={"failed": [check.name for check in verdict.failed], "verdict": verdict.digest},
        )


def _approved(workspace: Workspace, version: Version, contract: Contract, rules: Rules) -> Verdict:
    """The newest verdict that was passed and approved, as long as nothing it was judged by has changed since."""
    with workspace.ledger.read() as connection:
        kept = [one for one in verdicts.about(connection, version.model, version.number) if one.whole and one.passed]
        found = [(one, approvals.standing(connection, version, one.digest, rules)) for one in kept]
    if not found:
        raise Refused(
            f"{version} may not go live: its contract asks for approvals of a verdict, and it has passed none. "
            f"Next: outlast gate {version}, then outlast approve {version} --reason …"
        )
    record, standing = next((one for one in found if one[1].enough), found[0])
    verdict = as_kept(version, record)
    stale = _changed_since(workspace, verdict, contract)
    if stale:
        raise Refused(
            f"{version} may not go live on verdict {verdict.digest[:12]}: {stale} since. "
            f"Next: outlast gate {version}, then outlast approve {version} --reason …",
            details=approvals.details(standing, verdict.digest),
        )
    if not standing.enough:
        raise Refused(
            approvals.refusal(version, standing, verdict.digest), details=approvals.details(standing, verdict.digest)
        )
    return verdict


def _changed_since(workspace: Workspace, verdict: Verdict, contract: Contract) -> str:
    """What is not as it was when a verdict was made; empty when all of it is."""
    by = judged_by(verdict)
    if by is None:
        return "it does not say by which contract it was judged, and that may have changed"
    live = champion_of(workspace, verdict.model)
    if by["champion"] != (None if live is None else live.digest):
        return f"what is live has changed (it is {'nothing' if live is None else f'version {live.number}'} now)"
    return "" if by["contract"] == contract.digest else "the contract in force has changed"
