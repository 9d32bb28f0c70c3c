"""What the mirror tells MLflow of a version: tags, metrics and parameters, as flat as MLflow has them."""

import re
from typing import Any

from outlast.registry.versions import Version


def tags(version: Version) -> dict[str, str]:
    found = {
        "outlast.model": version.model,
        "outlast.version": str(version.number),
        "outlast.digest": version.digest,
        "mlflow.user": version.created_by,
        "mlflow.source.name": "outlast train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": version.lineage.get("commit"),
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}


def metrics(version: Version) -> dict[str, float]:
    """The evaluation, with the ends of its intervals and in money."""
    summary = version.summary
    found: dict[str, Any] = {}
    measurements = {**(summary.get("metrics") or {}), **_evaluated(summary), "value_per_decision": _money(summary)}
    for name, measured in measurements.items():
        if isinstance(measured, dict):
            found |= {name: measured.get("value"), f"{name}_low": measured.get("low")}
            found |= {f"{name}_high": measured.get("high")}
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items()}


def _evaluated(summary: dict[str, Any]) -> dict[str, Any]:
    """The figures of the evaluation that are one number each."""
    told = summary.get("evaluation") or {}
    found = {f"calibration_{name}": (told.get("calibration") or {}).get(name) for name in ("error", "large", "slope")}
    thresholds = told.get("thresholds") or {}
    best = thresholds.get("best") or {}
    found |= {"best_threshold": {"value": best.get("threshold")}, "best_threshold_value": best.get("value")}
    found |= {
        "best_threshold_gain": thresholds.get("gain"),
        "capacity_value": (told.get("capacity") or {}).get("value"),
    }
    return found


def _money(summary: dict[str, Any]) -> dict[str, Any] | None:
    value = summary.get("value")
    return {**value, "value": value.get("per_decision")} if isinstance(value, dict) else None


def params(version: Version) -> dict[str, str]:
    """What the run was given, and what it ran on."""
    summary = version.summary
    found: dict[str, Any] = {"task": version.task, "code_digest": version.code_digest}
    found |= {name: summary.get(name) for name in ("threshold", "contract_digest", "snapshot")}
    found |= {f"rows.{name}": value for name, value in (summary.get("rows") or {}).items()}
    found |= {f"period.{name}": value for name, value in (summary.get("period") or {}).items()}
    found["features"] = ", ".join(summary.get("features") or ()) or None
    found |= {name: version.lineage.get(name) for name in ("seed", "threads")}
    for kind, chosen in (version.lineage.get("parameters") or {}).items():
        found |= {f"{kind}.{name}": value for name, value in chosen.items()}
    return {plain(name): str(value) for name, value in found.items() if value is not None}


def plain(name: str) -> str:
    """A name in the letters that MLflow allows."""
    return re.sub(r"[^\w\-. /]", "_", name)
