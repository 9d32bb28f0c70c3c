"""The append-log: records that are in the file before append() returns, one file per process, sealed into tables.

A stream is a folder. Each process writes segments of its own in it, `<utc>-<host>-<pid>-<n>.log`, and holds a lock
on the one it has open; a segment nobody holds is finished, whether its writer closed it or died. `seal` hands
finished segments to a table and removes them.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import re
import socket
import struct
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from outlast.errors import NotFound, StorageError
from outlast.types import now

FORMAT = 1
_MAGIC = b"OUTLASTL"
_HEADER = struct.Struct("<8sII")  # magic, format, salt: a payload cannot forge a record without knowing the salt
_FRAME = struct.Struct("<4sII")  # mark, length with the top bit set when more of the batch follows, checksum
_LENGTH = struct.Struct("<I")
_MARK = b"\xa7rec"
_MORE = 0x8000_0000
_LARGEST = 1 << 30
_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*(/[A-Za-z0-9][A-Za-z0-9._@+-]*)*")
_counter = itertools.count()


class AppendLog:
    """This process's end of a stream.

    What append() wrote survives a killed process at once. A power cut may take what was written within the last
    `sync_every` seconds, plus the time of one sync; flush() waits until nothing is left to take. The records of one
    append are read back all or none. Threads may share a log; a forked child goes on in a segment of its own.
    """

    def __init__(
        self, root: Path, stream: str, *, segment_bytes: int = 16 * 1024 * 1024, sync_every: float = 0.05
    ) -> None:
        self._folder = _folder(root, stream)
        self._limit, self._every = segment_bytes, sync_every
        self._fd: int | None = None
        self._size = self._salt = 0
        self._path = Path()
        self._begin()
        with _sentences("open", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        _logs.add(self)

    def _begin(self) -> None:
        self._lock, self._syncing = threading.Lock(), threading.Lock()  # taken in the order syncing, lock
        self._dirty, self._stop = threading.Event(), threading.Event()
        self._retired: list[int] = []
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None
        self._closed = False

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write records, in one call to the system, all or none; StorageError when there is no room."""
        if not payloads:
            return
        with self._lock:
            if self._fd is None or self._failure is not None:
                self._ready()
            data = _frames(payloads, self._salt)
            if self._size + len(data) > self._limit and self._size > _HEADER.size:
                self._retire()
                self._ready()
                data = _frames(payloads, self._salt)
            self._write(data)
        if not self._dirty.is_set():
            self._dirty.set()

    def flush(self) -> None:
        """Wait until everything appended is on the disk."""
        with self._syncing:
            with self._lock:
                retired, self._retired = self._retired, []
                current = self._fd if self._dirty.is_set() else None
                self._dirty.clear()
                failure, self._failure = self._failure, None
            try:
                for fd in [*retired, *([] if current is None else [current])]:
                    os.fdatasync(fd)
            except OSError as error:
                failure = error
            finally:
                for fd in retired:
                    os.close(fd)
        if failure is not None:
            raise self._failed("sync", failure) from failure

    def rotate(self) -> None:
        """Finish the open segment, so that it can be sealed; the next append begins another."""
        with self._lock:
            self._retire()
        self.flush()

    def close(self) -> None:
        """Finish the open segment and stop; closing twice is fine."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            self._retire()
        self._stop.set()
        self._dirty.set()
        if thread is not None:
            thread.join()
        self.flush()

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self) -> None:
        """Open a segment if there is none; say what the background sync found, once."""
        if self._closed:
            raise StorageError(f"The log {self._folder} is closed: open another AppendLog to append to it")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._retire()
            raise self._failed("sync", failure) from failure
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_synced, name="outlast-log-sync", daemon=True)
            self._thread.start()
        with _sentences("begin a segment of", self._folder):
            self._path, self._fd, self._salt = _create(self._folder)
        self._size = _HEADER.size

    def _write(self, data: bytes) -> None:
        fd = self._fd
        assert fd is not None
        try:
            written = os.write(fd, data)
            while written < len(data):  # a disk that fills up takes a part first, and says so at the next try
                written += os.write(fd, memoryview(data)[written:])
        except OSError as error:
            self._undo(fd)
            raise self._failed("append to", error) from error
        self._size += written

    def _undo(self, fd: int) -> None:
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self._retire()  # readers drop the unfinished batch at its end

    def _retire(self) -> None:
        if self._fd is not None:
            self._retired.append(self._fd)
            self._fd = None

    def _keep_synced(self) -> None:
        while not self._stop.is_set():
            self._dirty.wait()
            self._stop.wait(self._every)
            try:
                self.flush()
            except StorageError as error:
                cause = error.__cause__
                self._failure = cause if isinstance(cause, OSError) else error

    def _failed(self, doing: str, error: OSError) -> StorageError:
        return _failed(doing, self._path, error)

    def _after_fork(self) -> None:
        """In a forked child: let go of the parent's segments and locks, without unlocking them."""
        for fd in [*self._retired, *([] if self._fd is None else [self._fd])]:
            os.close(fd)
        self._fd = None
        closed = self._closed
        self._begin()
        self._closed = closed


_logs: "weakref.WeakSet[AppendLog]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for log in list(_logs):
        log._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


@dataclass(frozen=True)
class Segment:
    """One file of a stream; `live` while its writer has it open."""

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


class Records(Iterator[bytes]):
    """The records of a segment in order; `torn` counts the bytes of an unfinished batch left out at its end."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.torn = 0
        self._path, self._data = path, data
        self._salt = _read_header(path, data)
        self._batches = self._walk()
        self._batch: Iterator[bytes] = iter(())

    def __next__(self) -> bytes:
        for payload in self._batch:
            return payload
        self._batch = iter(next(self._batches))
        return next(self._batch)

    def _walk(self) -> Iterator[list[bytes]]:
        start = position = _HEADER.size
        batch: list[bytes] = []
        while position < len(self._data):
            found = _record_at(self._data, position, self._salt)
            if found is None:
                self._refuse_damage(position)
                break
            payload, more = found
            batch.append(payload)
            position += _FRAME.size + len(payload)
            if not more:
                yield batch
                batch, start = [], position
        self.torn = max(0, len(self._data) - start)

    def _refuse_damage(self, position: int) -> None:
        """A bad record at the end is what a killed writer leaves; one that good records follow is damage."""
        later = self._data.find(_MARK, position + 1)
        while later >= 0:
            if _record_at(self._data, later, self._salt) is not None:
                raise StorageError(
                    f"The log {self._path} is damaged at byte {position}: expected a record there, and whole ones "
                    f"follow at byte {later}; restore the file, or move it out of its folder to go on without it"
                )
            later = self._data.find(_MARK, later + 1)


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
        raise _failed("read", segment.path, error) from error
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
                payloads = list(read(Segment(path, live=False)))
            except StorageError as error:
                damage = damage or error
                continue
            if payloads:
                consume(path.stem, payloads)
            with _sentences("remove", path):
                path.unlink()
            count += len(payloads)
    _sweep(_folder(root, stream))
    if damage is not None:
        raise damage
    return count


def _folder(root: Path, stream: str) -> Path:
    if not _STREAM.fullmatch(stream):
        raise StorageError(
            f"'{stream}' cannot name a stream: expected words of letters, digits and . _ @ + - joined by /; rename it"
        )
    return Path(root) / stream


def _paths(root: Path, stream: str) -> list[Path]:
    with _sentences("list", _folder(root, stream)):
        return sorted(_folder(root, stream).glob("*.log"))


def _frames(payloads: Sequence[bytes], salt: int) -> bytes:
    parts, last = [], len(payloads) - 1
    for n, payload in enumerate(payloads):
        if len(payload) >= _LARGEST:
            raise StorageError(
                f"A record of {len(payload)} bytes is too long for a log: expected under {_LARGEST}; split it"
            )
        word = len(payload) if n == last else len(payload) | _MORE
        parts.append(_FRAME.pack(_MARK, word, crc32(payload, crc32(_LENGTH.pack(word), salt))))
        parts.append(payload)
    return b"".join(parts)


def _record_at(data: bytes, position: int, salt: int) -> tuple[bytes, bool] | None:
    start = position + _FRAME.size
    if start > len(data):
        return None
    mark, word, checksum = _FRAME.unpack_from(data, position)
    length = word & ~_MORE
    if mark != _MARK or start + length > len(data):
        return None
    payload = data[start : start + length]
    if crc32(payload, crc32(_LENGTH.pack(word), salt)) != checksum:
        return None
    return payload, bool(word & _MORE)


def _read_header(path: Path, data: bytes) -> int:
    magic, version, salt = _HEADER.unpack_from(data) if len(data) >= _HEADER.size else (b"", 0, 0)
    if magic != _MAGIC:
        raise StorageError(
            f"The file {path} is no log: expected it to begin with {_MAGIC!r}; move it out of its folder"
        )
    if version > FORMAT:
        raise StorageError(
            f"The log {path} has format {version}, this Outlast reads up to {FORMAT}: "
            "seal it with the Outlast that wrote it"
        )
    return int(salt)


def _create(folder: Path) -> tuple[Path, int, int]:
    """A new segment, locked before it bears the name that a sealer looks for."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname()) or "host"
    while True:
        stem = f"{now():%Y%m%dT%H%M%S.%fZ}-{host}-{os.getpid()}-{next(_counter)}"
        path, draft = folder / f"{stem}.log", folder / f"{stem}.new"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            salt = int.from_bytes(os.urandom(4), "little")
            _write_header(fd, salt)
            os.rename(draft, path)
            _sync_folder(folder)
            return path, fd, salt
        except OSError as error:
            os.close(fd)
            if isinstance(error, FileNotFoundError) and folder.is_dir():
                continue  # a sealer swept the draft away before it was locked
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            raise


def _write_header(fd: int, salt: int) -> None:
    header = _HEADER.pack(_MAGIC, FORMAT, salt)
    if os.write(fd, header) != len(header):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.fstat(fd).st_nlink > 0  # a sealer that was faster has removed it
    except BlockingIOError:
        mine = False
    try:
        yield mine
    finally:
        os.close(fd)


def _sweep(folder: Path) -> None:
    """Remove drafts whose writer died before they became segments; they hold no record."""
    for draft in folder.glob("*.new"):
        with _claimed(draft) as mine:
            if mine:
                draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _sentences(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(doing, path, error) from error


def _failed(doing: str, path: Path, error: OSError) -> StorageError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space" if full else "check the disk and its permissions"
    return StorageError(f"Could not {doing} {path}: {error.strerror or error}; {hint} and try again")
