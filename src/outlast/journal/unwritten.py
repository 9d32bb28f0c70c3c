"""Answers that could not be written down: how many were given all the same, and whether the log works again."""

import logging
import os
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic

import msgspec
import sqlalchemy as sa

from outlast.errors import StorageError
from outlast.storage.ledger import Ledger
from outlast.storage.ledger import schema as tables
from outlast.types import counted

_MARK = "unwritten/"
_AGAIN = 1.0
_TRIED = bytes(64 * 1024)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lost:
    """What a server noted in the ledger: answers it gave unwritten, by model, and what kept it from writing last."""

    server: str
    models: list[str]
    """Those whose log could not be written at some time since the server started."""
    answers: dict[str, int]
    says: str
    at: datetime

    @property
    def sentence(self) -> str:
        words = ", ".join(f"{counted(count, 'answer')} of {model}" for model, count in sorted(self.answers.items()))
        given = f"gave {words} without writing them down" if words else "refused answers it could not write down"
        return f"{self.server} {given}; the last time at {self.at:%Y-%m-%d %H:%M} UTC: {self.says}"


@dataclass
class Unwritten:
    """What one process knows of it; threads may share it."""

    folder: Path
    """Where the logs of answers are, each in a folder of its model."""
    says: dict[str, str] = field(default_factory=dict)
    """By model, why its log cannot be written now; empty while all is well."""
    refusing: set[str] = field(default_factory=set)
    """Models whose contract has answers refused meanwhile."""
    lost: dict[str, int] = field(default_factory=dict)
    _models: set[str] = field(default_factory=set)
    _noted: tuple[int, int] = (0, 0)
    _troubles: int = 0
    _tried: float = 0.0

    def fails(self, model: str, error: StorageError, *, answers: int, serve: bool) -> None:
        """Note that answers could not be written; they are given all the same where the contract says so."""
        if model not in self.says:
            said = "they are given all the same, and counted" if serve else "they are refused"
            _log.error("Answers of %s cannot be written down, %s: %s", model, said, error)
            self._troubles += 1
        self._models.add(model)
        self.says[model] = error.sentence
        if serve:
            self.lost[model] = self.lost.get(model, 0) + answers
        else:
            self.refusing.add(model)

    def works(self, model: str) -> None:
        """Note that a model's log can be written."""
        if self.says.pop(model, None) is not None:
            self.refusing.discard(model)
            lost = self.lost.get(model, 0)
            said = (
                f"; {counted(lost, 'answer')} that {'was' if lost == 1 else 'were'} given never will be" if lost else ""
            )
            _log.warning("Answers of %s can be written down again%s", model, said)

    def look(self) -> None:
        """Try, where nobody asks any more because all is refused: with as much as a batch of answers takes."""
        if not self.says or monotonic() - self._tried < _AGAIN:
            return
        self._tried = monotonic()
        for model in list(self.says):
            if _writable(self.folder / model):
                self.works(model)

    def note(self, ledger: Ledger, server: str, now: datetime) -> None:
        """Tell the ledger, and so people, where there is something new to tell."""
        new = (self._troubles, sum(self.lost.values()))
        if new == self._noted:
            return
        says = "; ".join(self.says.values()) or "it works again"
        value = asdict(Lost(server, sorted(self._models), dict(self.lost), says, now)) | {"at": now.isoformat()}
        with ledger.write() as connection:
            marks, name = tables.marks, _MARK + server
            kept = {"value": value, "at": now}
            if not connection.execute(sa.update(marks).where(marks.c.name == name).values(kept)).rowcount:
                connection.execute(sa.insert(marks).values(name=name, **kept))
        self._noted = new


def _writable(folder: Path) -> bool:
    file = folder / f".tried-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("wb") as written:
                written.write(_TRIED)
                written.flush()
                os.fsync(written.fileno())
        finally:
            file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def lost(ledger: Ledger, since: datetime) -> list[Lost]:
    """What servers noted since a moment."""
    marks = tables.marks.c
    query = sa.select(marks.value).where(marks.name.startswith(_MARK) & (marks.at >= since)).order_by(marks.name)
    with ledger.read() as connection:
        return [msgspec.convert(value, Lost) for value in connection.scalars(query)]
