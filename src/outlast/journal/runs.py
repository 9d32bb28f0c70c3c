"""Answers of a scored table, which go into the journal's table at once: each part of it once, whoever is killed."""

from collections.abc import Sequence

from outlast.bundle.answers import Answer
from outlast.journal.columns import PREDICTIONS
from outlast.journal.records import Origin, predicted
from outlast.project.workspace import Workspace

SCORING = "score"
"""What stands where other answers have their server's name."""


def keep(workspace: Workspace, answers: Sequence[Answer], origin: Origin, *, request_id: str, server: str) -> None:
    """Keep the answers to a request, the first time it is kept."""
    if answers:
        records = predicted(answers, origin, request_id=request_id, server=server)
        frame = PREDICTIONS.frame(request_id, records)
        workspace.tables.append(PREDICTIONS.stream(origin.model), frame, once=request_id)


def kept(workspace: Workspace, model: str, request_id: str) -> bool:
    """Whether the answers to a request of such a run are in the journal."""
    return workspace.tables.took(PREDICTIONS.stream(model), request_id)
