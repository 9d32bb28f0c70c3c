"""The checks that read what training left behind: contract, data, leakage, floors, value."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from outlast.errors import nearest
from outlast.gates.verdict import Check
from outlast.project.contract import Contract
from outlast.training.leakage.guards import RULES as LEAKS
from outlast.types import SMALLER_IS_BETTER, Task, counted


def contract_complete(contract: Contract, folder: Path | None, task: Task | None = None) -> Check:
    """Whether everything is promised that must be, and the runbook is there."""
    missing = [key for key, value in _required(contract).items() if not _said(value)]
    missing += _default_missing(contract, task or contract.model.task)
    if missing:
        says = (
            f"this version's contract does not say: {', '.join(missing)}; complete outlast.toml and train again "
            "(for owner and runbook, `outlast apply` is enough)"
        )
        return Check("contract", False, says, {"missing": missing})
    found = _runbook(contract, folder)
    return replace(found, evidence={**found.evidence, "approvals": contract.gate.approvals})


def _said(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None and value not in ([], {})


def _default_missing(contract: Contract, task: Task | None) -> list[str]:
    """What the ladder's default needs: a decision that the payoffs know, or the amount that a regression gives."""
    defaults, known = contract.serving.defaults, list(contract.value.payoff or {})
    if "default" not in (contract.serving.ladder or []):
        return []
    decision = defaults.get("decision")
    if task == "regression":
        amount = defaults.get("score") if decision is None else decision
        is_amount = isinstance(amount, int | float) and not isinstance(amount, bool)
        return [] if is_amount else ["serving.defaults.decision (the ladder names a default: say an amount)"]
    if decision is None:
        return ["serving.defaults.decision (the ladder names a default)"]
    if known and decision not in known:
        return [
            f"serving.defaults.decision ({decision!r} is no decision of value.payoff: {nearest(str(decision), known)})"
        ]
    return []


def _required(contract: Contract) -> dict[str, Any]:
    return {
        "model.problem": contract.model.problem,
        "model.owner": contract.model.owner,
        "model.runbook": contract.model.runbook,
        "value.payoff (or value.per_unit_error)": contract.value.payoff or contract.value.per_unit_error,
        "label.delay": contract.label.delay,
        **_promised(contract),
        "serving.ladder": contract.serving.ladder,
        "retraining.policy": contract.retraining.policy,
    }


def _promised(contract: Contract) -> dict[str, Any]:
    """How fast it has to be: of what is scored on a schedule and asked by nobody, by when a table is done."""
    asked = {"serving.p99": contract.serving.p99, "serving.rate": contract.serving.rate}
    scored = {"scoring.deadline": contract.scoring.deadline, "scoring.rows": contract.scoring.rows}
    if contract.scoring.schedule is None:
        return asked
    return scored if not any(asked.values()) else asked | scored


def _runbook(contract: Contract, folder: Path | None) -> Check:
    name = contract.model.runbook or ""
    if "://" in name:
        return Check("contract", True, f"complete; runbook at {name}", {"digest": contract.digest})
    if folder is None:
        return Check("contract", None, f"the project's folder is not here, so its runbook '{name}' cannot be seen")
    file = folder / name
    try:
        there = file.is_file() and bool(file.read_bytes().strip())
    except OSError as error:
        return Check("contract", None, f"the runbook '{name}' cannot be read: {error}")
    if not there:
        return Check("contract", False, f"the runbook '{name}' does not exist or is empty: write {file}")
    return Check("contract", True, "complete; the runbook is there", {"digest": contract.digest})


def data_sound(summary: dict[str, Any]) -> Check:
    """Whether no rule that blocks was broken by the data the version was trained on."""
    found = summary.get("violations")
    if found is None:
        return Check("data", None, "its training did not check its data: train it again")
    return _unbroken("data", [v for v in found if v.get("rule") not in LEAKS], "no rule that blocks was broken")


def no_leak(summary: dict[str, Any]) -> Check:
    """Whether the guards of training found no way in which the features knew what was to be told."""
    found = summary.get("violations")
    if found is None:
        return Check("leakage", None, "its training did not look for leaks: train it again")
    return _unbroken("leakage", [v for v in found if v.get("rule") in LEAKS], "no feature knew what was to be told")


def _unbroken(name: str, found: list[dict[str, Any]], fine: str) -> Check:
    broken = [v for v in found if v["blocks"]]
    if broken:
        says = "; ".join(f"{v['source']}: {v['says']}" for v in broken[:3])
        return Check(name, False, says, {"violations": broken})
    warned = f"; {counted(len(found), 'warning')}: {found[0]['says']}" if found else ""
    return Check(name, True, f"{fine}{warned}", {"warnings": found})


def floors_held(contract: Contract, summary: dict[str, Any]) -> Check:
    """Whether the bad end of each metric's interval keeps the contract's floor."""
    asked = {k: v for k, v in contract.gate.floors.model_dump().items() if v is not None}
    if not asked:
        return Check("floors", True, "the contract sets none")
    said, verdicts = [], []
    for name, floor in asked.items():
        held, says = _floor(name, floor, summary)
        said.append(says)
        verdicts.append(held)
    passed = None if None in verdicts and False not in verdicts else all(verdicts)
    amiss = [one for one, held in zip(said, verdicts, strict=True) if not held]
    rest = f"; the other {counted(len(said) - len(amiss), 'floor')} held" if amiss and len(amiss) < len(said) else ""
    return Check("floors", passed, "; ".join(amiss or said) + rest, {"floors": asked})


def _floor(name: str, floor: float, summary: dict[str, Any]) -> tuple[bool | None, str]:
    found = summary.get("value") if name == "value" else summary.get("metrics", {}).get(name)
    if found is None:
        return None, f"{name} was not measured for this task"
    smaller = name in SMALLER_IS_BETTER
    end = found["high"] if smaller else found["low"]
    held = end <= floor if smaller else end >= floor
    word = "at most" if smaller else "at least"
    return held, f"{name} {end:.4g} at the bad end of its interval, {word} {floor:.4g} is asked"


def worth_having(summary: dict[str, Any]) -> Check:
    """Whether the model's decisions are worth more than the baseline's, at the low end of the interval."""
    value = summary.get("value")
    if value is None:
        return Check("value", None, "no payoffs in the contract, so it cannot be said what a decision is worth")
    says = (
        f"{value['per_decision']:+.4g} {value['currency']} a decision against '{value['against']}' "
        f"({value['low']:+.4g} to {value['high']:+.4g})"
    )
    return Check("value", value["low"] > 0, says, {"value": value})
