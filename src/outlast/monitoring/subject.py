"""What is watched: a version with its frozen profile, and the contract as it is now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from outlast.bundle.format import open_bundle
from outlast.data.past import FILE, Past, from_bytes
from outlast.data.profile import Profile, from_json, score_cells
from outlast.errors import ContractError
from outlast.monitoring.counting.grading import Terms
from outlast.monitoring.counting.slices import Slices
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import effective
from outlast.registry.versions import find
from outlast.types import ModelRef, Task, duration


@dataclass(frozen=True)
class Subject:
    """One version under watch; nothing of its bundle is executed."""

    model: str
    version: int
    task: Task
    contract: Contract
    profile: Profile
    summary: Mapping[str, Any]
    terms: Terms
    past: Past | None = None
    """None of a version that was made before versions kept one."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """What each feature computes, by name."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Which source a feature is looked up in, of those that are."""
    slices: Slices = Slices()

    @property
    def cadence(self) -> timedelta:
        said = self.contract.monitoring.cadence
        if not (found := duration(said)):
            raise ContractError(
                f"The contract in force for '{self.model}' has a 'monitoring.cadence' of {said}, and no window is that "
                "short: say 1m or more in outlast.toml, then `outlast apply`"
            )
        return found


def open_subject(workspace: Workspace, model: str, version: int) -> Subject:
    """A version as the watch sees it, from its verified bundle and the model's live contract."""
    found = find(workspace.ledger, ModelRef(model, version))
    bundle = open_bundle(workspace, found.digest)
    contract = effective(workspace.ledger, model, bundle.contract)
    profile = from_json(bundle.files["profile.json"])
    cells = None if profile.scores is None else partial(score_cells, profile)
    past = from_bytes(bundle.files.get(FILE))
    terms = Terms.of(bundle.contract, found.task, features=profile.names, score_cells=cells, past=past)
    words = {one["name"]: one.get("categories") or () for one in bundle.manifest.get("asks", ())}
    slices = Slices(profile, words)
    sources = _sources(bundle.manifest.get("lookups", ()), profile.names)
    digests = bundle.manifest.get("feature_digests", {})
    return Subject(model, version, found.task, contract, profile, found.summary, terms, past, digests, sources, slices)


def _sources(lookups: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> dict[str, str]:
    """The source of each column that a lookup gives; a window's columns end with its width."""
    given = [(name, bool(kept["over"]), kept["source"]["name"]) for kept in lookups for name, _ in kept["outputs"]]
    return {
        column: source
        for name, wide, source in given
        for column in columns
        if (column.startswith(f"{name}_") if wide else column == name)
    }
