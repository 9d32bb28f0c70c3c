"""How long each step of computing a batch took, for whoever asks; nobody else pays for it."""

from contextvars import ContextVar, Token
from time import perf_counter
from types import TracebackType

STEPS = ("look up", "functions", "model", "decide")
Marks = list[tuple[str, float]]
"""What has ended, and when; the first is the beginning."""

_marks: ContextVar[Marks | None] = ContextVar("outlast.steps", default=None)


def ended(step: str) -> None:
    """Note that a step has ended now. A step that fails is not noted: its time is the next one's."""
    marks = _marks.get()
    if marks is not None:
        marks.append((step, perf_counter()))


class watched:
    """Notes the steps that end inside. A class, because a generator would cost more."""

    __slots__ = ("_token",)
    _token: Token[Marks | None]

    def __enter__(self) -> Marks:
        marks: Marks = [("", perf_counter())]
        self._token = _marks.set(marks)
        return marks

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _marks.reset(self._token)
