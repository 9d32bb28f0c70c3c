"""What goes over the line while an operation is done: how far it is, and then what came of it."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from outlast import errors
from outlast.errors import OutlastError, StorageError

KIND = "application/x-ndjson"
_OFTEN = 0.2
"""Seconds between two lines about rows."""


class Begins(msgspec.Struct, frozen=True, tag="begins", tag_field="is"):
    """A step begins."""

    step: str


class Ends(msgspec.Struct, frozen=True, tag="ends", tag_field="is"):
    """A step has ended."""

    step: str
    seconds: float


class Total(msgspec.Struct, frozen=True, tag="total", tag_field="is"):
    """So many rows are to be gone through."""

    rows: int | None
    of: str


class Advance(msgspec.Struct, frozen=True, tag="advance", tag_field="is"):
    """So many of them are done."""

    rows: int


class Waits(msgspec.Struct, frozen=True, tag="waits", tag_field="is"):
    """It goes on: said so that nobody in between takes the connection for dead."""


class Fault(msgspec.Struct, frozen=True, tag="fault", tag_field="is"):
    """It was not done, and why."""

    status: int
    kind: str
    name: str
    message: str
    details: dict[str, Any] = {}

    def error(self) -> OutlastError:
        """The error as it was raised."""
        return CLASSES.get(self.name, StorageError)(self.message, details=self.details)


class Result(msgspec.Struct, frozen=True, tag="result", tag_field="is"):
    """It was done, and what it gives."""

    result: msgspec.Raw


Line = Begins | Ends | Total | Advance | Waits | Fault | Result
CLASSES: dict[str, type[OutlastError]] = {
    name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, OutlastError)
}


class Telling:
    """A watcher of any kind that turns what it is told into lines."""

    def __init__(self, tell: Callable[[Line], None]) -> None:
        self._tell = tell
        self._rows, self._told = 0, 0.0

    def begins(self, step: str) -> None:
        self._tell(Begins(step))

    def ends(self, step: str, seconds: float) -> None:
        self._tell(Ends(step, seconds))

    def total(self, rows: int | None, of: str = "rows") -> None:
        self.flush()
        self._tell(Total(rows, of))

    def advance(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._told >= _OFTEN:
            self.flush()

    def flush(self) -> None:
        """Tell what was held back."""
        if self._rows:
            self._tell(Advance(self._rows))
        self._rows, self._told = 0, time.monotonic()


def relay(line: Line, watcher: Any) -> None:
    """Tell a watcher on this side what a line says."""
    match line:
        case Begins(step):
            watcher.begins(step)
        case Ends(step, seconds):
            watcher.ends(step, seconds)
        case Total(rows, of):
            watcher.total(rows, of)
        case Advance(rows):
            watcher.advance(rows)
