"""Why a version answers as it does: code, data, features, environment, and what let it out; nothing of it is run."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import polars as pl

from outlast.errors import NotFound, RequestError, Unexplained
from outlast.evidence.moved import moved
from outlast.evidence.told import Acted, Answered, Why
from outlast.gates.verdict import last_verdict
from outlast.journal.explained import explained
from outlast.journal.finding import SHORTEST, find_predictions
from outlast.journal.reading import actions
from outlast.project.workspace import Workspace
from outlast.registry.approvals import approvals
from outlast.registry.contracts import sensitive
from outlast.registry.rollout import transitions
from outlast.registry.versions import Version, find, models
from outlast.types import ModelRef, digest_of

_ID = re.compile(rf"[0-9a-f]{{{SHORTEST},}}")
_SHORT = re.compile(rf"(?=.*[0-9])[0-9a-f]{{3,{SHORTEST - 1}}}")
"""What may be the beginning of an id."""
WITHHELD = "sensitive"


def is_prediction(workspace: Workspace, text: str) -> bool:
    """Whether a text can only mean a prediction: the digits of an id, and no model of that name."""
    return _ID.fullmatch(text) is not None and text not in models(workspace.ledger)


def why_version(workspace: Workspace, ref: ModelRef) -> Why:
    """What is known of a version."""
    if _SHORT.fullmatch(str(ref)) and ref.name not in models(workspace.ledger):
        raise NotFound(
            f"There is no model '{ref.name}', and it is too short for a prediction: "
            f"give {SHORTEST} characters of its id or more"
        )
    return _about(workspace, find(workspace.ledger, ref))


def why_prediction(
    workspace: Workspace, begins: str, *, sees: Callable[[str], bool] = lambda _: True, explain: bool = False
) -> Why:
    """What is known of a prediction and of the version that gave it, by the prediction's id or how that begins.

    Models that `sees` says no to have no predictions here. To `explain` it, its features are computed with once more.
    """
    found = find_predictions(workspace, begins, sees=sees)
    if not found:
        raise NotFound(
            f"There is no prediction '{begins}' in the journal of {workspace.root}: an answer names its own as "
            "prediction_id, and `outlast predict` keeps none; one that was erased or is older than [journal] keep is "
            "gone, and a model is named as NAME@7"
        )
    if len(found) > 1:
        ids = " and ".join(one["prediction_id"] for one in found)
        raise RequestError(f"Several predictions begin with '{begins}', such as {ids}: give more of the id")
    (one,) = found
    about = _about(workspace, find(workspace.ledger, ModelRef(one["model"], one["version"])))
    before = [step for step in about.steps if step.at <= one["at"]]
    veiled = _veiled(workspace, about.version, one)
    made_live, done = before[-1] if before else None, tuple(_actions(workspace, one))
    told = _explained(workspace, about.version, one) if explain else {}
    return replace(about, prediction=Answered(**veiled, **told, made_live=made_live, actions=done))


def _actions(workspace: Workspace, prediction: dict[str, Any]) -> Iterator[Acted]:
    """What people did with an answer, by its id or its key, in order."""
    about = pl.col("prediction_id") == prediction["prediction_id"]
    if prediction["key"] is not None:
        about = about.fill_null(False) | (pl.col("key") == prediction["key"]).fill_null(False)
    found = actions(workspace, prediction["model"]).filter(about).sort("at", maintain_order=True)
    for row in found.select("action", "comment", "by", "at", "origin").collect().iter_rows(named=True):
        yield Acted(**row)


def _about(workspace: Workspace, version: Version) -> Why:
    ledger = workspace.ledger
    mine = [step for step in transitions(ledger, version.model) if version.number in (step.to_version, step.challenger)]
    return Why(version, mine, last_verdict(ledger, version), approvals(ledger, version), moved(workspace, version))


def _explained(workspace: Workspace, version: Version, found: dict[str, Any]) -> dict[str, Any]:
    """What each feature added, without the values of sensitive columns, or why that cannot be told."""
    try:
        told = explained(workspace, found)
    except Unexplained as error:
        return {"unexplained": str(error)}
    kept = sensitive(workspace.ledger, version)
    parts = [
        msgspec.structs.replace(one, value=WITHHELD if one.field in kept else _plain(one.value))
        for one in told.contributions
    ]
    return {"explanation": msgspec.structs.replace(told, contributions=parts)}


def _veiled(workspace: Workspace, version: Version, found: dict[str, Any]) -> dict[str, Any]:
    """The prediction without values of sensitive columns, with a digest of what was asked."""
    kept = sensitive(workspace.ledger, version)
    shown = {
        part: values and {name: WITHHELD if name in kept else value for name, value in values.items()}
        for part, values in ((part, found[part]) for part in ("asks", "features"))
    }
    asked = shown["asks"] and digest_of({name: str(value) for name, value in shown["asks"].items()})
    plain = {part: values and {name: _plain(one) for name, one in values.items()} for part, values in shown.items()}
    return {**found, **plain, "asks_digest": asked}


def _plain(value: Any) -> Any:
    """A value in words of JSON, so that it is told alike here and by a server."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return msgspec.to_builtins(value, enc_hook=str)
