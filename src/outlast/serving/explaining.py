"""Explanations beside answers, in a thread of their own: no other request waits for them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.explaining.explains import require_outcome
from outlast.bundle.predictor import Predictor
from outlast.errors import OutlastError, RequestError, Unexplained
from outlast.journal.explained import explained
from outlast.journal.finding import find_predictions
from outlast.project.workspace import Workspace
from outlast.serving.metrics import Metrics
from outlast.types import Explanation

MOST = 100
"""Rows of one request that are explained."""
ROOM = 500
"""Rows that may wait; later ones get their answers without."""
_LATE = "No contributions: the time this request was given ran out before they were computed"


EXPLAINING = ("explain", "explain_of")
"""What a request may say of it."""
Explain = Callable[[Answer], Explanation]


@dataclass(frozen=True)
class Wanted:
    """What is to be explained: the score of an outcome, or the one that matters most."""

    of: str | None = None

    def require(self, predictor: Predictor, rows: Sequence[Any]) -> None:
        """RequestError where there is no such outcome, or too many rows."""
        if self.of is not None:
            require_outcome(self.of, predictor.task, predictor.outcomes)
        if len(rows) > MOST:
            raise RequestError(f"The request has {len(rows)} rows to explain, more than {MOST}: send it in parts")


@dataclass(frozen=True)
class Told:
    """An explanation, or why there is none."""

    explanation: Explanation | None
    unexplained: str | None = None

    def spoken(self) -> dict[str, Any]:
        """As it stands beside an answer."""
        said = {} if self.unexplained is None else {"unexplained": self.unexplained}
        return {"explanation": self.explanation, **said}


class Explaining:
    """The thread that explains, and how much waits for it."""

    def __init__(self, workspace: Workspace, metrics: Metrics, *, room: int = ROOM) -> None:
        self._workspace, self._metrics, self._room = workspace, metrics, room
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "outlast-explain")

    async def told(self, explain: Explain, answers: Sequence[Answer], *, until: float | None = None) -> list[Told]:
        """The explanations of answers that were given already: what is in their way never takes an answer back."""
        if self._waiting + len(answers) > self._room:
            return [Told(None, _many(one)) for one in answers]
        loop = asyncio.get_running_loop()
        self._waiting += len(answers)
        try:
            run = copy_context().run
            work = loop.run_in_executor(self._thread, run, self._explained, explain, answers)
            left = None if until is None else max(0.0, until - perf_counter())
            return await asyncio.wait_for(work, left)
        except TimeoutError:
            return [Told(None, _LATE)] * len(answers)
        finally:
            self._waiting -= len(answers)

    def stop(self) -> None:
        """End the thread; what waits is not explained."""
        self._thread.shutdown(cancel_futures=True)

    def kept(self, model: str, wanted: Wanted) -> Explain:
        """What explains answers that were given before: what they were computed from is in the journal only."""

        def explain(answer: Answer) -> Explanation:
            found = find_predictions(self._workspace, answer.prediction_id, most=1, sees=lambda name: name == model)
            if not found:
                raise Unexplained("No contributions: the answer, given before, is not in the journal any more")
            return explained(self._workspace, found[0], wanted.of)

        return explain

    def _explained(self, explain: Explain, answers: Sequence[Answer]) -> list[Told]:
        found = []
        for one in answers:
            begin = perf_counter()
            try:
                found.append(Told(explain(one)))
            except OutlastError as error:
                found.append(Told(None, str(error)))
            self._metrics.step("explain", begin)
        return found


def fresh(predictor: Predictor, wanted: Wanted) -> Explain:
    """What explains answers that a version gave now."""
    explains = predictor.explains

    def explain(answer: Answer) -> Explanation:
        if explains is None:
            raise Unexplained("No contributions: the bundle of this version is not at hand")
        return explains.answer(answer, wanted.of)

    return explain


def wanted_of(given: Mapping[str, Any], read: Callable[[Any], Any] = lambda value: value) -> Wanted | None:
    """What parameters of a request ask for: `explain` true or false, `explain_of` an outcome."""
    explain, of = read(given.get("explain")), given.get("explain_of")
    if explain is not None and not isinstance(explain, bool):
        raise RequestError("'explain' is neither true nor false: send one of them", details={"field": "explain"})
    if of is not None and not isinstance(of, str):
        raise RequestError("'explain_of' is no text: send the name of an outcome", details={"field": "explain_of"})
    if of is not None and explain is not False:
        return Wanted(of)
    return Wanted() if explain else None


def _many(one: Answer) -> str:
    return (
        "No contributions: too many explanations wait here already; ask again, or "
        f"`outlast why {one.prediction_id} --explain`"
    )
