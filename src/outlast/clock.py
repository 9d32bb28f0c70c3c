"""The moment: the machine's, or that of a story, which a file tells to every process.

The variable OUTLAST_CLOCK names such a file: two numbers of eight bytes, the moment in microseconds since 1970 and how
often the story was halted. It is mapped into memory, so that asking costs no call to the system, and whoever tells the
story sets a number in one piece.

    python -m outlast.clock FILE 2013-07-01        sets a clock by hand
"""

import mmap
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outlast.errors import SettingsError

VARIABLE = "OUTLAST_CLOCK"
_SIZE = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = ((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND for year in (1900, 9999))
_HOW = f"expected a clock that `outlast replay` sets; unset {VARIABLE} for the machine's own"


def now() -> datetime:
    """This moment, in UTC: of the story that OUTLAST_CLOCK tells, else the machine's."""
    return _now()


def machine() -> datetime:
    """This moment by the machine's clock, in UTC, whatever story is told: for what files and processes are called."""
    return datetime.now(UTC)


def halts() -> int | None:
    """How often the story was halted for what is kept back to be handed over; None where no story is told."""
    now()
    return None if _face is None else _face.halts()


class Face:
    """Reads a clock's file; SettingsError where there is no moment in it."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise SettingsError(f"{VARIABLE} names {path}, which cannot be read ({error.strerror}): {_HOW}") from None
        except ValueError:  # an empty file cannot be mapped
            raise SettingsError(f"{VARIABLE} names {path}, which is empty: {_HOW}") from None
        if len(mapped) != _SIZE:
            raise SettingsError(f"{VARIABLE} names {path}, which has {len(mapped):,} bytes and is no clock: {_HOW}")
        self._cells = memoryview(mapped).cast("q")
        if not _FIRST <= self._cells[0] < _LAST:
            raise SettingsError(f"{VARIABLE} names {path}, whose moment is not of the years 1900 to 9998: {_HOW}")

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self._cells[0])

    def halts(self) -> int:
        return self._cells[1]


class Hand:
    """Sets a clock: the one that is there, which others may go by already, or a new one."""

    def __init__(self, path: Path, moment: datetime) -> None:
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}.new")
            draft.write_bytes(_micros(moment).to_bytes(8, sys.byteorder, signed=True) + bytes(8))
            draft.replace(path)
        Face(path)
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._cells = memoryview(self._map).cast("q")
        self.set(moment)

    def set(self, moment: datetime) -> None:
        """From now on it is this moment."""
        self._cells[0] = _micros(moment)

    def halt(self) -> None:
        """Ask all who go by this clock to hand over what they keep back."""
        self._cells[1] += 1

    def close(self) -> None:
        """Let go of it; it goes on showing what was set last."""
        self._cells.release()
        self._map.close()


@contextmanager
def telling(path: Path, moment: datetime) -> Iterator[Hand]:
    """A clock that this process, and all that it starts meanwhile, goes by."""
    now()
    before, variable = _face, os.environ.get(VARIABLE)
    hand = Hand(path, moment)
    try:
        _go_by(Face(path))
        os.environ[VARIABLE] = str(path.resolve())
        yield hand
    finally:
        _go_by(before)
        if variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = variable
        hand.close()


def _go_by(face: Face | None) -> None:
    global _face, _now
    _face, _now = face, machine if face is None else face.now


def _first() -> datetime:
    """Asked for the first time: see whether the environment names a clock."""
    named = os.environ.get(VARIABLE)
    _go_by(Face(Path(named)) if named else None)
    return _now()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def main(words: list[str]) -> None:
    """Set a clock to a moment; one without a zone is in UTC."""
    try:
        file, text = words
        moment = datetime.fromisoformat(text)
    except ValueError:
        sys.exit("usage: python -m outlast.clock FILE 2013-07-01T12:00")
    Hand(Path(file), moment if moment.tzinfo else moment.replace(tzinfo=UTC)).close()


_face: Face | None = None
_now: Callable[[], datetime] = _first

if __name__ == "__main__":
    main(sys.argv[1:])
