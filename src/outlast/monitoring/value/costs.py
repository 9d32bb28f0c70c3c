"""What 1,000 answers cost: CPU seconds, as a running server counts them or as the gate measured them, and the price."""

import httpx

from outlast.errors import StorageError
from outlast.gates.verdict import PER_1000, last_verdict
from outlast.monitoring.value.told import Cost
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version

_CPU, _ANSWERS = "process_cpu_seconds_total", "outlast_predictions_total"


def cost_of(workspace: Workspace, version: Version, currency: str) -> Cost:
    """As the version's gate measured it."""
    return _priced(workspace, _gated(workspace, version), "the gate, one process under load", currency)


def running_cost(workspace: Workspace, metrics: str, currency: str) -> Cost:
    """As the /metrics of the server at an address say, at this workspace's price."""
    by = f"the server at {metrics}, all its work since it started"
    return _priced(workspace, _running(metrics), by, currency)


def _priced(workspace: Workspace, seconds: float | None, by: str, currency: str) -> Cost:
    price = workspace.declaration.costs
    currency = price.currency or currency
    if seconds is None:
        said = "it was never measured: `outlast gate` does, or --metrics ADDRESS of a server"
        return Cost(None, by, None, currency, said)
    if price.cpu_hour is None:
        return Cost(seconds, by, None, currency, "workspace.toml names no price: [costs] cpu_hour = 0.04")
    return Cost(seconds, by, seconds / 3600 * price.cpu_hour, currency)


def _gated(workspace: Workspace, version: Version) -> float | None:
    verdict = last_verdict(workspace.ledger, version)
    checks = () if verdict is None else verdict.checks
    found = next((one.evidence.get(PER_1000) for one in checks if one.name == "latency"), None)
    return None if found is None else float(found)


def _running(address: str) -> float | None:
    """CPU seconds of the whole server for 1,000 of its answers, of every model; None before the first answer."""
    from prometheus_client.parser import text_string_to_metric_families

    url = f"{address.rstrip('/')}/metrics"
    try:
        answer = httpx.get(url, timeout=10)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = f"The metrics at {url} cannot be read ({type(error).__name__}): give the address of a server"
        raise StorageError(said) from None
    sums = dict.fromkeys((_CPU, _ANSWERS), 0.0)
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name in sums:
                sums[sample.name] += sample.value
    return 1000 * sums[_CPU] / sums[_ANSWERS] if sums[_ANSWERS] and sums[_CPU] else None
