"""Why a version answers as it does: code, data, features, environment, and what let it out; nothing of it is run."""

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from outlast.errors import NotFound, RequestError
from outlast.evidence.moved import moved
from outlast.gates.verdict import Verdict, last_verdict
from outlast.journal.finding import SHORTEST, find_predictions
from outlast.project.workspace import Workspace
from outlast.registry.approvals import approvals
from outlast.registry.rollout import Transition, transitions
from outlast.registry.versions import Version, find, models
from outlast.storage.ledger import schema as tables
from outlast.types import ModelRef, digest_of

_ID = re.compile(rf"[0-9a-f]{{{SHORTEST},}}")
WITHHELD = "sensitive"


@dataclass(frozen=True)
class Why:
    """What is known of a version, and of one of its answers when that was asked about."""

    version: Version
    steps: list[Transition]
    verdict: Verdict | None
    approvals: list[dict[str, Any]]
    moved: dict[str, str | None]
    prediction: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """Everything, for programs."""
        version, summary, lineage = self.version, self.version.summary, self.version.lineage
        return {
            "version": str(version),
            "digest": version.digest,
            "trained": {"at": version.created_at, "by": version.created_by, "cost": summary.get("cost")},
            "code": lineage["code"],
            "sources": summary["sources"],
            "moved": self.moved,
            "training_set": {"table": lineage["snapshot"], **lineage.get("training_set", {}), "split": summary["rows"]},
            "features": lineage.get("features") or [{"columns": summary["features"]}],
            "environment": {name: lineage.get(name) for name in _ENVIRONMENT},
            "lineage": lineage,
            "transitions": [vars(step) for step in self.steps],
            "verdict": self.verdict,
            "approvals": self.approvals,
            "prediction": self.prediction,
        }


_ENVIRONMENT = ("python", "environment", "builds", "machine", "threads", "seed", "parameters")


def is_prediction(workspace: Workspace, text: str) -> bool:
    """Whether a text can only mean a prediction: the digits of an id, and no model of that name."""
    return _ID.fullmatch(text) is not None and text not in models(workspace.ledger)


def why_version(workspace: Workspace, ref: ModelRef) -> Why:
    """What is known of a version."""
    return _about(workspace, find(workspace.ledger, ref))


def why_prediction(workspace: Workspace, begins: str) -> Why:
    """What is known of a prediction and of the version that gave it, by the prediction's id or how that begins."""
    found = find_predictions(workspace, begins)
    if not found:
        raise NotFound(
            f"There is no prediction '{begins}' in the journal of {workspace.root}: an answer names its own as "
            "prediction_id; one that was erased or is older than [journal] keep is gone, and a model is named as NAME@7"
        )
    if len(found) > 1:
        ids = " and ".join(one["prediction_id"] for one in found)
        raise RequestError(f"Several predictions begin with '{begins}', such as {ids}: give more of the id")
    (one,) = found
    about = _about(workspace, find(workspace.ledger, ModelRef(one["model"], one["version"])))
    before = [step for step in about.steps if step.at <= one["at"]]
    told = {**_veiled(workspace, about.version, one), "made_live": vars(before[-1]) if before else None}
    return Why(about.version, about.steps, about.verdict, about.approvals, about.moved, told)


def _about(workspace: Workspace, version: Version) -> Why:
    ledger = workspace.ledger
    mine = [step for step in transitions(ledger, version.model) if version.number in (step.to_version, step.challenger)]
    said = [vars(one) for one in approvals(ledger, version)]
    return Why(version, mine, last_verdict(ledger, version), said, moved(workspace, version))


def _veiled(workspace: Workspace, version: Version, found: dict[str, Any]) -> dict[str, Any]:
    """The prediction without values of sensitive columns, with a digest of what was asked."""
    kept = _sensitive(workspace, version)
    shown = {
        part: values and {name: WITHHELD if name in kept else value for name, value in values.items()}
        for part, values in ((part, found[part]) for part in ("asks", "features"))
    }
    asked = shown["asks"] and digest_of({name: str(value) for name, value in shown["asks"].items()})
    return {**found, **shown, "asks_digest": asked}


def _sensitive(workspace: Workspace, version: Version) -> set[str]:
    """The columns that the version's contract or the one in force calls sensitive."""
    live = sa.select(tables.models.c.live_contract).where(tables.models.c.name == version.model)
    with workspace.ledger.read() as connection:
        contracts = [version.summary["contract"], connection.scalar(live) or {}]
    return {name for one in contracts for name in one.get("journal", {}).get("sensitive", [])}
