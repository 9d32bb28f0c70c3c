"""Whether a model is ready to last: what the questions answer, together."""

from datetime import datetime

from outlast.errors import NotFound, StorageError
from outlast.evidence.asking import QUESTIONS, Ask, Case, Found
from outlast.evidence.told import Answer, Ready
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version


def ready(workspace: Workspace, version: Version, *, now: datetime) -> Ready:
    """Answer every question from what is kept; nothing of the version's bundle is executed."""
    case = Case(workspace, version, now)
    found = {
        name: [(question, _found(ask, case)) for question, ask in asked.items()] for name, asked in QUESTIONS.items()
    }
    groups = {
        name: tuple(Answer(question, **vars(one)) for question, one in answers if one is not None)
        for name, answers in found.items()
    }
    return Ready(version, case.now, groups)


def _found(ask: Ask, case: Case) -> Found | None:
    """What answers a question; where what that rests on is damaged or gone, this is the answer."""
    try:
        return ask(case)
    except (NotFound, StorageError) as error:
        return Found(False, error.sentence, "outlast doctor")
