"""Notes outside the database: a file of lines that only grows, by which a rewritten trail is found out."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from outlast.errors import StorageError
from outlast.types import FORMAT

State = Literal["written", "kept"]


class Note(msgspec.Struct, frozen=True):
    """The digest of an entry: *written* before its transaction was committed, *kept* when it was known to be."""

    seq: int
    digest: str
    at: str
    environment: str
    state: State


class _Head(msgspec.Struct, frozen=True):
    file: str
    format: int = FORMAT


@dataclass(frozen=True)
class Outside:
    """Where notes are written for a ledger, and who else is told of what was kept."""

    file: Path
    webhook: str | None = None
    environment: str = "dev"

    @property
    def told(self) -> Path:
        """What became of telling the webhook."""
        return self.file.with_suffix(f".{self.environment}.webhook.json")

    def name(self) -> str:
        """The file's own name, which entries carry; the file is made when it is missing."""
        with self._writable() as fd:
            name, lead = _name(fd)
            if lead:
                _append(fd, lead)
        return name

    def note(self, seq: int, digest: str, at: str, state: State) -> None:
        """Write a line to the disk itself."""
        line = msgspec.json.encode(Note(seq, digest, at, self.environment, state))
        with self._writable() as fd:
            _append(fd, _name(fd)[1] + line + b"\n")

    def read(self) -> tuple[str | None, list[Note], int]:
        """The file's own name, its notes of this environment, and how many lines cannot be read."""
        if not self.file.exists():
            return None, [], 0
        try:
            with self._open(os.O_RDONLY, fcntl.LOCK_SH) as fd:
                lines = os.read(fd, os.fstat(fd).st_size).splitlines()
        except OSError as error:
            raise StorageError(f"{self.file} cannot be read ({error.strerror}): make it readable") from error
        notes, torn = [], 0
        for line in lines[1:]:
            try:
                notes.append(msgspec.json.decode(line, type=Note))
            except msgspec.DecodeError:
                torn += bool(line.strip())  # a process died while it wrote this
        name = _named(lines[0]) if lines else None
        return name, [note for note in notes if note.environment == self.environment], torn + (name is None)

    @contextmanager
    def _writable(self) -> Iterator[int]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self._open(os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX) as fd:
                yield fd
        except OSError as error:
            raise StorageError(
                f"The head of the audit trail cannot be noted in {self.file} ({error.strerror}): mend that, or set "
                "[audit] heads in workspace.toml to a file that can be written"
            ) from error

    @contextmanager
    def _open(self, flags: int, lock: int) -> Iterator[int]:
        fd = os.open(self.file, flags, 0o644)
        try:
            fcntl.flock(fd, lock)
            yield fd
        finally:
            os.close(fd)


def _append(fd: int, data: bytes) -> None:
    os.write(fd, data)
    os.fsync(fd)


def _name(fd: int) -> tuple[str, bytes]:
    """The file's own name, and what has to be written before a new line."""
    size = os.fstat(fd).st_size
    first = os.pread(fd, min(size, 256), 0).partition(b"\n")
    name = _named(first[0]) if first[1] else None
    if name is not None:
        return name, b"" if os.pread(fd, 1, size - 1) == b"\n" else b"\n"
    if size and first[1]:
        raise StorageError(
            "The file in which heads of the audit trail are noted begins with something else: move it away"
        )
    os.ftruncate(fd, 0)  # nobody, or a process that died, wrote the first line
    name = secrets.token_hex(6)
    return name, msgspec.json.encode(_Head(name)) + b"\n"


def _named(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Head).file
    except msgspec.DecodeError:
        return None
