"""What a function consists of, found by calling it with something that takes down what is asked of it."""

import contextlib
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import polars as pl

from outlast.features.functions import wants_pandas
from outlast.features.rowwise import recorder
from outlast.features.rowwise.recorder import Recorder, Stage
from outlast.features.rowwise.refusal import Refused
from outlast.project.declare import spelling

_POLARS = str(Path(pl.__file__).parent)
_READING = str(Path(_POLARS, "io"))
_PURE = {"builtins", "math", "datetime", "itertools", "functools", "operator", "_operator", "_functools", "polars"}
_IMPURE = {"open", "input", "exec", "eval", "compile", "id", "now", "today", "utcnow", "fromtimestamp"}
_PURE_FILES = ("<bundle ", "<frozen importlib", "<string>", "<doctest", "<stdin>")
_STANDARD = str(Path(contextlib.__file__).parent)


def traced(function: Callable[..., Any], schema: pl.Schema) -> list[pl.Expr] | None:
    """The expressions a function consists of, where it is nothing but a select or with_columns of its rows."""
    try:
        stages = stages_of(function, schema)
    except Refused:
        return None
    return list(stages[0].exprs) if len(stages) == 1 else None


def stages_of(function: Callable[..., Any], schema: pl.Schema) -> tuple[Stage, ...]:
    """The selects and with_columns that a function does to its rows, one after the other.

    Twice: what differs from call to call hangs on a clock or on chance. What stays the same for a while, such as
    today's date, or what a file says, shows by what the function calls. The first call may also import things.
    """
    if wants_pandas(function):
        raise Refused("it wants pandas")
    once = _called(function, schema)
    again = _watched(function, schema)
    if [_spelt(stage) for stage in once] != [_spelt(stage) for stage in again]:
        raise Refused("it differs from call to call")
    return again


def _called(function: Callable[..., Any], schema: pl.Schema) -> tuple[Stage, ...]:
    try:
        result = function(Recorder(schema))
    except Exception as error:  # noqa: BLE001 - the user's code: what is wrong with it, the frame will tell in full
        raise Refused(f"it needs more than its rows' names: {error!r}") from None
    if not isinstance(result, Recorder) or not result.stages:
        raise Refused("it gives something else than expressions of its rows")
    return result.stages


def _spelt(stage: Stage) -> tuple[bool, list[str]]:
    try:
        return stage.keeps, [spelling(expr) for expr in stage.exprs]
    except pl.exceptions.PolarsError as error:
        raise Refused(f"it cannot be spelled: {error}") from None


def _watched(function: Callable[..., Any], schema: pl.Schema) -> tuple[Stage, ...]:
    """As called, refused where it calls what may give another result another day.

    Python's collector of garbage waits meanwhile: what it calls is not the function's doing.
    """
    watch, before, collects = _Watch(), sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(watch)
    try:
        stages = _called(function, schema)
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    if watch.impure:
        raise Refused(f"it calls {watch.impure[0]}")
    return stages


class _Watch:
    """Notes what is called, as a profiler does. What Polars does inside is its own affair."""

    def __init__(self) -> None:
        self.impure: list[str] = []
        self._inside: list[FrameType] = []

    def __call__(self, frame: FrameType, event: str, called: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(_READING):
            self.impure.append(frame.f_code.co_qualname)
        elif event == "call" and _is_inner(file):
            self._inside.append(frame)
        elif event == "return" and self._inside and frame is self._inside[-1]:
            self._inside.pop()
        elif self._inside or file == __file__:
            return
        elif event == "call" and not _is_pure_file(file):
            self.impure.append(frame.f_code.co_qualname)
        elif event == "c_call" and not _is_pure(called):
            self.impure.append(called.__qualname__)


def _is_inner(file: str) -> bool:
    """Whether Python code in a file only takes down what is asked."""
    return file.startswith(_POLARS) or file == recorder.__file__


def _is_pure_file(file: str) -> bool:
    """Whether Python code in a file is the project's own, and so watched in turn, or known to be harmless."""
    if file.startswith("<"):
        return file.startswith(_PURE_FILES)
    return "site-packages" not in file and not file.startswith(_STANDARD)


def _is_pure(called: Any) -> bool:
    owner = getattr(called, "__self__", None)
    module = getattr(called, "__module__", None)
    if module is None and owner is not None:
        module = (owner if isinstance(owner, type) else type(owner)).__module__
    return called.__name__ not in _IMPURE and (module is None or module.partition(".")[0] in _PURE)
