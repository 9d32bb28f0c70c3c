"""The append-log: records that are in the file before append() returns, one file per process, sealed into tables.

A stream is a folder. Each process writes segments of its own in it, `<utc>-<host>-<pid>-<n>.log`, and holds a lock
on the one it has open; a segment nobody holds is finished, whether its writer closed it or died. `seal` hands
finished segments to a table and removes them.
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

from outlast.errors import StorageError
from outlast.storage.records import HEADER_SIZE, Records, closing, frames
from outlast.storage.segments import Segment, create, failed, folder_of, read, seal, segments, sentences, want, wanted

__all__ = ["AppendLog", "Records", "Segment", "finish", "read", "seal", "segments"]

_LOOK = 0.1
"""Seconds between two looks at whether somebody wants the open segment."""


class AppendLog:
    """This process's end of a stream.

    What append() wrote survives a killed process at once. A power cut may take what was written within the last
    `sync_every` seconds, plus the time of one sync; flush() waits until nothing is left to take. The records of one
    append are read back all or none. Threads may share a log; a forked child goes on in a segment of its own.
    """

    _thread: threading.Thread | None
    _failure: OSError | None
    _retired: list[int]
    _next: tuple[Path, int, int] | None
    """The segment after this one, made while there was time."""

    def __init__(
        self, root: Path, stream: str, *, segment_bytes: int = 16 * 1024 * 1024, sync_every: float = 0.05
    ) -> None:
        self._folder = folder_of(root, stream)
        self._root, self._path = Path(root).absolute(), self._folder
        self._limit, self._every = segment_bytes, sync_every
        self._fd: int | None = None
        self._size = self._salt = 0
        self._closed = False
        self._begin()
        with sentences("open", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        _logs.add(self)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write records, in one call to the system, all or none; StorageError when there is no room."""
        if not payloads:
            return
        with self._lock:
            if self._fd is None or self._failure is not None:
                self._ready()
            data = frames(payloads, self._salt)
            if self._size + len(data) > self._limit and self._size > HEADER_SIZE:
                self._retire()
                self._ready()
                data = frames(payloads, self._salt)
            self._write(data)
        if not self._dirty.is_set():
            self._dirty.set()

    def flush(self) -> None:
        """Wait until everything appended is on the disk."""
        self._sync()
        with self._lock:
            self._report()

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
            with self._making:
                self._drop_next()
        self._stop.set()
        self._dirty.set()
        if thread is not None:
            thread.join()
        self.flush()

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        self._lock, self._syncing = threading.Lock(), threading.Lock()  # taken in the order syncing, lock, making
        self._making = threading.Lock()
        self._dirty, self._stop = threading.Event(), threading.Event()
        self._retired, self._next, self._wanted = [], None, 0
        self._thread = None
        self._failure = None

    def _ready(self) -> None:
        """Report a failed sync, or open a segment."""
        if self._closed:
            raise StorageError(f"The log {self._folder} is closed: open another AppendLog to append to it")
        self._report()
        with self._making, sentences("begin a segment in", self._folder):
            self._path, self._fd, self._salt = self._next or create(self._folder)
            self._next, self._size, self._wanted = None, HEADER_SIZE, wanted(self._root)
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_synced, name="outlast-log-sync", daemon=True)
            self._thread.start()

    def _report(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            self._retire()
            raise failed("sync", self._path, failure) from failure

    def _write(self, data: bytes) -> None:
        fd = self._fd
        assert fd is not None
        try:
            written = os.write(fd, data)
            while written < len(data):  # a disk that fills up takes a part first, and says so at the next try
                written += os.write(fd, memoryview(data)[written:])
            self._size += written
        except OSError as error:
            self._undo(fd)
            raise failed("append to", self._path, error) from error
        except BaseException:  # an interrupt between the system's write and ours
            self._undo(fd)
            raise

    def _undo(self, fd: int) -> None:
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self._let_go()  # readers leave out the unfinished batch at its end

    def _retire(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # the records are whole without it
                os.write(self._fd, closing(self._salt))
            self._let_go()

    def _let_go(self) -> None:
        if self._fd is not None:
            self._retired.append(self._fd)
            self._fd = None

    def _keep_synced(self) -> None:
        while not self._stop.is_set():
            if self._dirty.wait(None if self._fd is None else _LOOK):
                self._stop.wait(self._every)
                self._sync()
                self._make_next()
            if self._fd is not None and wanted(self._root) != self._wanted:
                self._make_next(now=True)
                self._finish()

    def _finish(self) -> None:
        """Let go of the open segment, for one who seals; a failed sync is reported by the next append."""
        with self._lock:
            self._retire()
        self._sync()

    def _make_next(self, *, now: bool = False) -> None:
        """Have another segment when this one is half full: making it goes to the disk, and no append should wait."""
        with self._making:  # one at a time, since segments are read in the order in which they were made
            if self._closed or self._next is not None or not (now or self._size >= self._limit // 2):
                return
            with contextlib.suppress(OSError):  # the append that needs it tries again, and says what is wrong
                self._next = create(self._folder)

    def _drop_next(self) -> None:
        if self._next is not None:
            path, fd, _ = self._next
            path.unlink(missing_ok=True)
            os.close(fd)
            self._next = None

    def _sync(self) -> None:
        """Sync what was written since the last time, in one go; close what is retired."""
        with self._syncing:
            with self._lock:
                retired, self._retired = self._retired, []
                current = [self._fd] if self._fd is not None and self._dirty.is_set() else []
                self._dirty.clear()
            for fd in retired + current:
                try:
                    os.fdatasync(fd)
                except OSError as error:
                    self._failure = error
            for fd in retired:
                os.close(fd)

    def _after_fork(self) -> None:
        """In a forked child: let go of the parent's segments, whose locks the parent keeps."""
        self._let_go()
        for fd in [*self._retired, *([] if self._next is None else [self._next[1]])]:
            os.close(fd)
        self._begin()


def finish(root: Path, streams: Sequence[str]) -> None:
    """Have every writer of these streams finish its segment: this process's at once, others within a second."""
    folders = {folder_of(root, stream) for stream in streams}
    for log in list(_logs):
        if log._folder in folders:
            log._finish()
    want(root, streams)


_logs: "weakref.WeakSet[AppendLog]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for log in list(_logs):
        log._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
