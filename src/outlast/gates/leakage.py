"""The guards against leakage before a training: on some rows of the training set that would be made now."""

from typing import Any

from outlast.data.validation import Violation
from outlast.errors import OutlastError
from outlast.journal.sources import Sources
from outlast.project.loader import Project
from outlast.training.dataset import build_dataset, cutoff_of
from outlast.training.leakage.guards import SAMPLE, suspicions
from outlast.training.splitting import split_rows
from outlast.types import now

Finding = dict[str, Any]


def leaks(project: Project, sources: Sources, found: list[Finding]) -> list[Finding]:
    """What looks like a leak; what keeps a training set from being made, unless something found before says it."""
    try:
        dataset = build_dataset(project, sources, cutoff_of(project, now()), most=SAMPLE)
        split = split_rows(project, dataset, project.contract.training.seed)
    except OutlastError as error:
        told = any(one["blocks"] and one["where"] != "outlast.toml" for one in found)
        return [] if told else [{"where": "model.py", "column": "label", "says": error.sentence, "blocks": True}]
    by_source = suspicions(project, sources, dataset, split)
    return [_finding(name, one) for name, those in by_source.items() for one in those]


def _finding(source: str, one: Violation) -> Finding:
    return {"where": source, "column": one.column, "says": one.sentence, "blocks": one.blocks}
