"""Names taken on this host lately, in a file that its processes share: who came first, with what, and how it ended.

The file is a table of buckets of eight names each; in a full bucket the oldest name that ended gives way. A name is
kept as a digest. Nothing here is synced: it survives a killed process, and a power cut may take the latest of it.
"""

import fcntl
import logging
import os
import struct
import threading
from pathlib import Path
from time import monotonic
from typing import NamedTuple

FORMAT = 1
ROOM = 1 << 17
"""Names that are remembered, about 5 MB of a file."""
PENDING, ENDED, UNKNOWN = 1, 2, 3
"""A name's state: somebody is at it, it ended well, or nobody knows how it ended."""
NAME, ASKED = 16, 8
"""Bytes of a name, and of what was asked under it."""

_ENTRY = struct.Struct("<16s8sQIBB2x")  # name, asked, when, who, state, note
_STATE = 36
_PER_BUCKET = 8
_ENTRIES = struct.Struct("<" + "16s8sQIBB2x" * _PER_BUCKET)
_BUCKET = _PER_BUCKET * _ENTRY.size
_HEADER = struct.Struct("<8sII")
_MAGIC = b"OUTLASTN"
_BEGIN = 64
_ALIVE = 1 << 40
"""Where the file's locks begin by which its writers say that they live; no byte is there."""
_AGAIN = 5.0
_free = bytes(_ENTRY.size)
_among_threads = threading.Lock()
_log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What is known of a name: `first` where it is the taker's now, `state` as it was before; 0 for a new name."""

    place: int
    first: bool
    state: int
    asked: bytes
    at: int
    note: int


class Names:
    """The names of one file. Where it cannot be written, every name is new, and that is logged once."""

    def __init__(self, path: Path, *, room: int = ROOM) -> None:
        self._path, self._buckets = path, max(1, room // _PER_BUCKET)
        self._me = int.from_bytes(os.urandom(4), "little")
        self._fd: int | None = None
        self._tried = -_AGAIN
        self._failed = False

    def take(self, name: bytes, asked: bytes, at: int, *, anew: bool = False) -> Taken:
        """Take a name of 16 bytes, or say who has it; with `anew` also one that ended well.

        A name whose taker died is handed over, with its state UNKNOWN.
        """
        if self._fd is None and not self._open():
            return Taken(-1, True, 0, asked, at, 0)
        bucket = int.from_bytes(name[:8], "little") % self._buckets
        try:
            with _among_threads:
                fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, bucket)  # type: ignore[arg-type]
                try:
                    return self._taken(_BEGIN + bucket * _BUCKET, name, asked, at, anew=anew)
                finally:
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, bucket)  # type: ignore[arg-type]
        except OSError as error:
            self._fail(error)
            return Taken(-1, True, 0, asked, at, 0)

    def end(self, place: int, state: int, note: int = 0) -> None:
        """Say how a name ended that is ours."""
        self._write(place + _STATE, bytes((state, note)), place)

    def free(self, place: int) -> None:
        """Give a name back, as if it never had been taken."""
        self._write(place, _free, place)

    def close(self) -> None:
        """Let go of the file; names that did not end are handed to whoever asks next."""
        with _among_threads:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def _taken(self, begin: int, name: bytes, asked: bytes, at: int, *, anew: bool) -> Taken:
        assert self._fd is not None
        bucket = os.pread(self._fd, _BUCKET, begin).ljust(_BUCKET, b"\0")
        found = bucket.find(name)
        while found >= 0 and found % _ENTRY.size:
            found = bucket.find(name, found + 1)
        if found < 0:
            found = self._room(bucket)
            if found < 0:
                return Taken(-1, True, 0, asked, at, 0)
            before = Taken(begin + found, True, 0, asked, at, 0)
        else:
            _, asked, at, owner, state, note = _ENTRY.unpack_from(bucket, found)
            ended = state == ENDED and not anew
            if ended or (state == PENDING and owner != self._me and self._alive(owner)):
                return Taken(begin + found, False, state, asked, at, note)
            before = Taken(begin + found, True, UNKNOWN, asked, at, note)
        os.pwrite(self._fd, _ENTRY.pack(name, asked, at, self._me, PENDING, 0), before.place)
        return before

    def _room(self, bucket: bytes) -> int:
        """Where a new name goes; -1 where all eight are being worked at."""
        found = _ENTRIES.unpack(bucket)
        moments, owners, states = found[2::6], found[3::6], found[4::6]
        if 0 in states:
            return states.index(0) * _ENTRY.size
        for _, place in sorted(zip(moments, range(_PER_BUCKET), strict=True)):
            owner, pending = owners[place], states[place] == PENDING
            if not (pending and (owner == self._me or self._alive(owner))):
                return place * _ENTRY.size
        return -1

    def _alive(self, owner: int) -> bool:
        """Whether another process holds its lock still."""
        assert self._fd is not None
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _ALIVE + owner)
        except OSError:
            return True
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _ALIVE + owner)
        return False

    def _write(self, at: int, data: bytes, place: int) -> None:
        if place < 0 or self._fd is None:
            return
        try:
            os.pwrite(self._fd, data, at)
        except OSError as error:
            self._fail(error)

    def _open(self) -> bool:
        """Open the file, and begin it anew where it is of another kind or size; not more often than every few
        seconds."""
        if monotonic() - self._tried < _AGAIN:
            return False
        self._tried = monotonic()
        fd = -1
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
            fcntl.lockf(fd, fcntl.LOCK_EX, 1, _ALIVE - 1)
            head = _HEADER.pack(_MAGIC, FORMAT, self._buckets)
            if os.pread(fd, _HEADER.size, 0) != head:
                os.ftruncate(fd, 0)
                os.pwrite(fd, head, 0)
            fcntl.lockf(fd, fcntl.LOCK_UN, 1, _ALIVE - 1)
            fcntl.lockf(fd, fcntl.LOCK_EX, 1, _ALIVE + self._me)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            self._fail(error)
            return False
        self._fd, self._failed = fd, False
        return True

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            said = "the names of requests are remembered by this process alone until it can"
            _log.warning("%s cannot be written (%s): %s", self._path, error.strerror or error, said)
        self._failed = True
