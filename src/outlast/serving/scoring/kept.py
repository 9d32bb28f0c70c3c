"""What a run has scored so far, in a folder beside its target until all of it is there."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

from outlast.errors import Conflict, OutlastError, StorageError
from outlast.storage.whole import put, write_whole
from outlast.types import FORMAT, counted, digest_of

_RUN, _LOCK, _TOLD = "run.json", "lock", "outlast.told"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Run(msgspec.Struct, frozen=True):
    """What is scored, by what: a part that another run made is of no use to this one."""

    model: str
    version: int
    digest: str
    source: str
    rows: int
    content: str
    facts: str
    record: bool
    part: int
    started_at: datetime
    format: int = FORMAT

    @property
    def id(self) -> str:
        """What the run's requests are called by in the journal."""
        return digest_of(msgspec.to_builtins(self))[:16]

    def request(self, part: int) -> str:
        """The request that a part of it is."""
        return f"score:{self.id}:{part}"

    def differences(self, other: "Run") -> list[str]:
        """What another run has otherwise, in words."""
        found = []
        if (self.model, self.version, self.digest) != (other.model, other.version, other.digest):
            found.append(f"by {other.model}@{other.version}, and this is {self.model}@{self.version}")
        if self.content != other.content:
            found.append(
                f"from {other.source} with {counted(other.rows, 'row')}, and the rows of {self.source} "
                f"({self.rows:,}) are not those"
            )
        if self.facts != other.facts:
            found.append(f"with --facts {other.facts}, and this is with --facts {self.facts}")
        return found


class Told(msgspec.Struct):
    """What became of rows: how many there were, how many with warnings, by which rung, and why one was refused."""

    rows: int = 0
    warned: int = 0
    rungs: dict[str, int] = {}
    refused: str | None = None

    def add(self, other: "Told") -> None:
        """Count other rows with these."""
        self.rows, self.warned = self.rows + other.rows, self.warned + other.warned
        names = {**self.rungs, **other.rungs}
        self.rungs = {name: self.rungs.get(name, 0) + other.rungs.get(name, 0) for name in names}
        self.refused = self.refused or other.refused


class Kept:
    """The folder of a run: which parts are there, each whole."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self._target = folder, target

    def begin(self, run: Run) -> Run:
        """Begin a run; what another left goes."""
        with self.writing():
            for file in self.folder.iterdir():
                if file.name != _LOCK:
                    file.unlink()
            write_whole(self.folder / _RUN, msgspec.json.encode(run))
        return run

    def part(self, number: int) -> Path:
        """The file of a part; it is there once the part is whole."""
        return self.folder / f"{number:08d}.parquet"

    def parts(self) -> list[int]:
        """The numbers of the parts that are there, in order."""
        return sorted(int(file.stem) for file in self.folder.glob("[0-9]*.parquet"))

    def told(self, number: int) -> Told:
        """What became of the rows of a part."""
        return msgspec.json.decode(pl.read_parquet_metadata(self.part(number))[_TOLD], type=Told)

    def keep(self, number: int, rows: pl.DataFrame, told: Told) -> None:
        """Keep a part with what became of it, all or nothing."""
        with self.writing():
            aside = self.folder / f"{number:08d}.{os.getpid()}.new"
            try:
                rows.write_parquet(aside, metadata={_TOLD: msgspec.json.encode(told).decode()})
                put(aside, self.part(number))
            finally:
                aside.unlink(missing_ok=True)

    def drop(self, number: int) -> None:
        """Forget a part."""
        with self.writing():
            self.part(number).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What a disk refuses, in a sentence that says how to go on."""
        try:
            yield
        except OutlastError:
            raise
        except OSError as error:
            hint = "free some space" if error.errno in _FULL or "No space left" in str(error) else "see to the disk"
            raise StorageError(
                f"Answers cannot be written to {self._target}: {error.strerror or error}; {hint}, and the same command "
                "goes on from the last whole part"
            ) from error

    def found(self) -> Run | None:
        """The run that was broken off here; None where there is none."""
        try:
            data = (self.folder / _RUN).read_bytes()
        except FileNotFoundError:
            return None
        try:
            kept = msgspec.json.decode(data, type=Run)
        except msgspec.DecodeError as error:
            raise StorageError(f"{self.folder / _RUN} cannot be read ({error}): --anew begins again") from error
        if kept.format != FORMAT:
            raise StorageError(
                f"The run in {self.folder} has format {kept.format}, this Outlast reads {FORMAT}: go on with the "
                "Outlast that began it, or --anew begins again"
            )
        return kept


@contextmanager
def held(folder: Path, target: str) -> Iterator[Kept]:
    """The folder of a run, for one process at a time; it goes when nothing of the run is in it."""
    kept = Kept(folder, target)
    with kept.writing():
        lock = _locked(folder, target)
    try:
        yield kept
    finally:
        if not kept.parts():
            kept.remove()
        os.close(lock)


def _locked(folder: Path, target: str) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o640)
        except FileNotFoundError:
            continue  # whoever had it has just finished
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Conflict(
                f"Another process is scoring into {target}: wait for it, or give this run a target of its own"
            ) from None
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)
