"""Files that are there whole or not at all, whatever happens while they are written."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file aside, bring it to the disk, and put it in the place of what was there."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        put(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def put(aside: Path, path: Path) -> None:
    """Bring a file that was written aside to the disk, and to its place."""
    sync(aside)
    os.replace(aside, path)
    with suppress(OSError):  # some file systems have no such thing for folders
        sync(path.parent)


def sync(path: Path) -> None:
    """Bring what a file or folder holds to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
