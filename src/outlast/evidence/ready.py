"""Whether a model is ready to last: what the questions answer, together."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from outlast.errors import NotFound, StorageError
from outlast.evidence.asking import QUESTIONS, Ask, Case, Found
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version


@dataclass(frozen=True)
class Answer:
    """A question, whether it is so (None: not known), what that rests on, and what to do next."""

    question: str
    yes: bool | None
    rests_on: str
    next: str | None


@dataclass(frozen=True)
class Ready:
    """Every question by its group, and what was answered."""

    version: Version
    at: datetime
    groups: dict[str, tuple[Answer, ...]]

    @property
    def answers(self) -> list[Answer]:
        return [one for group in self.groups.values() for one in group]

    @property
    def ready(self) -> bool:
        """Whether no question is answered by no; what is not known stands in nobody's way, and is told."""
        return all(one.yes is not False for one in self.answers)

    def count(self, yes: bool | None) -> int:
        """How many answers are so."""
        return sum(one.yes is yes for one in self.answers)

    def plain(self) -> dict[str, Any]:
        """The same for programs."""
        counts = {"yes": self.count(True), "no": self.count(False), "not_known": self.count(None)}
        groups = {name: [asdict(one) for one in found] for name, found in self.groups.items()}
        return {"version": str(self.version), "at": self.at, "ready": self.ready, "counts": counts, "groups": groups}


def ready(workspace: Workspace, version: Version, *, now: datetime) -> Ready:
    """Answer every question from what is kept; nothing of the version's bundle is executed."""
    case = Case(workspace, version, now)
    groups = {
        name: tuple(Answer(question, **vars(_found(ask, case))) for question, ask in asked.items())
        for name, asked in QUESTIONS.items()
    }
    return Ready(version, case.now, groups)


def _found(ask: Ask, case: Case) -> Found:
    """What answers a question; where what that rests on is damaged or gone, this is the answer."""
    try:
        return ask(case)
    except (NotFound, StorageError) as error:
        return Found(False, error.sentence, "outlast doctor")
