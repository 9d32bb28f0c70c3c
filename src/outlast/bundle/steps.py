"""How long each step of computing a batch took, for whoever asks; nobody else pays for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

STEPS = ("look up", "functions", "model", "decide")
Marks = list[tuple[str, float]]
"""What has ended, and when; the first is the beginning."""

_marks: ContextVar[Marks | None] = ContextVar("outlast.steps", default=None)


def ended(step: str) -> None:
    """Note that a step has ended now. A step that fails is not noted: its time is the next one's."""
    marks = _marks.get()
    if marks is not None:
        marks.append((step, perf_counter()))


@contextmanager
def watched() -> Iterator[Marks]:
    """Note the steps that end inside."""
    marks: Marks = [("", perf_counter())]
    token = _marks.set(marks)
    try:
        yield marks
    finally:
        _marks.reset(token)
