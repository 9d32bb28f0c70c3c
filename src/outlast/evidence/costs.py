"""What a version costs: to make, and for 1,000 answers, as the gate's own server took them."""

from outlast.evidence.told import Costs
from outlast.gates.verdict import PER_1000, Verdict
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version


def costs(workspace: Workspace, version: Version, verdict: Verdict | None) -> Costs:
    """As far as it was measured; in money where workspace.toml names a price."""
    price, value = workspace.declaration.costs, version.summary.get("contract", {}).get("value", {})
    training = (version.summary.get("cost") or {}).get("cpu_seconds")
    checks = () if verdict is None else verdict.checks
    per_1000 = next((one.evidence.get(PER_1000) for one in checks if one.name == "latency"), None)
    return Costs(training, per_1000, price.cpu_hour, price.currency or value.get("currency", ""))
