"""The folder in which workers count: there while their supervisor is, and taken away by the next one otherwise."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PREFIX = "outlast-workers-"
_HELD = "held"


@contextmanager
def folder() -> Iterator[str]:
    """A folder of this process, on a disk or in memory as the system has its temporary files."""
    _clean()
    made = TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
    with made as path, (Path(path) / _HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield path


def _clean() -> None:
    """Take away what supervisors left that were killed: nobody holds it any more."""
    for held in Path(gettempdir()).glob(f"{_PREFIX}*/{_HELD}"):
        with suppress(OSError):  # another's, or gone just now
            fd = os.open(held, os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(held.parent, ignore_errors=True)
            finally:
                os.close(fd)
