"""The files of a stream: naming, locking, listing, reading, and handing finished ones to a table."""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from outlast.clock import machine
from outlast.errors import NotFound, StorageError
from outlast.storage.records import HEADER_SIZE, Records, header
from outlast.storage.whole import sync

_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*(/[A-Za-z0-9][A-Za-z0-9._@+-]*)*")
_WANTED = ".wanted"
_PATIENCE, _LOOK = 1.0, 0.005
_counter = itertools.count()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segment:
    """One file of a stream; `live` while a writer has it open, or a sealer is at it."""

    path: Path
    live: bool

    @property
    def id(self) -> str:
        """The name a table remembers the segment by."""
        return self.path.stem

    @property
    def sealed(self) -> bool:
        """Whether nothing can be added to it any more."""
        return not self.live


def segments(root: Path, stream: str) -> list[Segment]:
    """The segments of a stream, oldest first; none when there is no such stream."""
    return [Segment(path, _held(path)) for path in _paths(root, stream)]


def read(segment: Segment) -> Records:
    """The records of a segment; NotFound when it was sealed and removed meanwhile.

    A live segment is read up to its last whole batch.
    """
    try:
        data = segment.path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"The segment {segment.path} is gone: it was sealed; read its table instead") from error
    except OSError as error:
        raise failed("read", segment.path, error) from error
    return Records(segment.path, data)


def seal(root: Path, stream: str, consume: Callable[[str, list[bytes]], None]) -> int:
    """Hand every finished segment to `consume(segment_id, payloads)` and remove it; returns how many records went.

    A segment comes again when the process dies before it is removed, so consume must know its id:
    `Tables.append(..., once=segment_id)` does. A damaged segment stays, does not hold up the others, and is
    reported in the end.
    """
    count, damage = 0, None
    for path in _paths(root, stream):
        with _claimed(path) as mine:
            if not mine:
                continue
            try:
                payloads = _whole(path)
            except StorageError as error:
                damage = damage or error
                continue
            if payloads:
                consume(path.stem, payloads)
            with sentences("remove", path):
                path.unlink()
            count += len(payloads)
    _sweep(folder_of(root, stream))
    if damage is not None:
        raise damage
    return count


def wanted(root: Path) -> int:
    """When somebody last wanted segments to be finished, as the file system tells it; 0 for never."""
    try:
        return os.stat(Path(root, _WANTED)).st_mtime_ns
    except OSError:
        return 0


def want(root: Path, streams: Sequence[str]) -> None:
    """Have the writers of streams finish what they have open, and wait for them, a second at most.

    A writer that does not, since it hangs or is of an Outlast that did not know this, is left alone: its segment is
    sealed another time.
    """
    waiting = [path for stream in streams for path in _paths(root, stream) if _open_with_records(path)]
    if not waiting:
        return
    with sentences("ask for finished segments in", Path(root)):
        Path(root, _WANTED).touch()
    until = time.monotonic() + _PATIENCE
    while waiting and time.monotonic() < until:
        time.sleep(_LOOK)
        waiting = [path for path in waiting if _held(path)]


def _open_with_records(path: Path) -> bool:
    try:
        return path.stat().st_size > HEADER_SIZE and _held(path)
    except FileNotFoundError:
        return False


def _whole(path: Path) -> list[bytes]:
    records = read(Segment(path, live=False))
    payloads = list(records)
    if records.torn:
        _log.warning("Left out the last %d bytes of %s, a batch its writer did not finish", records.torn, path)
    return payloads


def folder_of(root: Path, stream: str) -> Path:
    """Where a stream's segments are."""
    if not _STREAM.fullmatch(stream):
        raise StorageError(
            f"'{stream}' cannot name a stream: expected words of letters, digits and . _ @ + - joined by /; rename it"
        )
    return Path(root).absolute() / stream


def create(folder: Path) -> tuple[Path, int, int]:
    """A new segment's path, descriptor and salt; it is locked before it bears the name that a sealer looks for."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname()) or "host"
    while True:
        stem = f"{machine():%Y%m%dT%H%M%S.%fZ}-{host}-{os.getpid()}-{next(_counter)}"
        path, draft = folder / f"{stem}.log", folder / f"{stem}.new"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            salt = _begin(fd)
            os.rename(draft, path)
            sync(folder)
            return path, fd, salt
        except OSError as error:
            os.close(fd)
            if isinstance(error, FileNotFoundError) and folder.is_dir():
                continue  # a sealer swept the draft away before it was locked
            for left in (draft, path):
                left.unlink(missing_ok=True)
            raise


def _begin(fd: int) -> int:
    data, salt = header()
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(fd)
    return salt


def _paths(root: Path, stream: str) -> list[Path]:
    folder = folder_of(root, stream)
    with sentences("list", folder):
        return sorted(folder.glob("*.log"))


def _held(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Hold a segment nobody else holds: True while it is ours and still there."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _locked(fd) and os.fstat(fd).st_nlink > 0  # a faster sealer has removed a file without links
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove drafts whose writer died before they became segments; they hold no record."""
    for draft in folder.glob("*.new"):
        with _claimed(draft) as mine:
            if mine:
                draft.unlink(missing_ok=True)


@contextlib.contextmanager
def sentences(doing: str, path: Path) -> Iterator[None]:
    """Turn what the disk says into one sentence."""
    try:
        yield
    except OSError as error:
        raise failed(doing, path, error) from error


def failed(doing: str, path: Path, error: OSError) -> StorageError:
    """The sentence for a disk that refused."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space" if full else "check the disk and its permissions"
    return StorageError(f"Could not {doing} {path}: {error.strerror or error}; {hint} and try again")
