"""The journal: everything a server answers or is told, written before it goes on, sealed into tables later."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from outlast.bundle.answers import Answer
from outlast.errors import OutlastError, StorageError
from outlast.journal import first, sealing
from outlast.journal.columns import ACTIONS, FACTS, KINDS, LABELS, PREDICTIONS, REFUSALS, SHADOWS, Kind
from outlast.journal.records import ActionRecord, FactRecord, LabelRecord, Origin, encode, predicted
from outlast.journal.spelling import to_text
from outlast.journal.unwritten import Unwritten
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.storage.appendlog import AppendLog
from outlast.types import micros


class Journal:
    """This process's end of the journal; threads may share it.

    What a method was given is in a file when it returns, and survives a killed process; a power cut may take the
    last twentieth of a second. The records of one call are kept all or none.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._logs: dict[str, AppendLog] = {}
        self._guard = threading.Lock()
        self._closed = False
        self.unwritten = Unwritten(workspace.log_root / PREDICTIONS.name)

    def predictions(self, answers: Sequence[Answer], origin: Origin, *, request_id: str, server: str) -> None:
        """Keep answers, with the version that gave them."""
        self.together([(answers, request_id)], origin, server=server)

    def together(
        self,
        requests: Sequence[tuple[Sequence[Answer], str]],
        origin: Origin,
        *,
        server: str,
        took: Sequence[int] | None = None,
    ) -> int:
        """Keep the answers to several requests, each with its id, that one version gave at once.

        `took` is how many microseconds each of them took so far, where that is known. Where they cannot be written:
        StorageError, or how many they are, as the version's contract says.
        """
        try:
            self._keep(PREDICTIONS, requests, origin, server, took)
        except StorageError as error:
            return self._fails(error, origin, sum(len(answers) for answers, _ in requests))
        if self.unwritten.says:
            self.unwritten.works(origin.model)
        return 0

    def shadows(self, requests: Sequence[tuple[Sequence[Answer], str]], origin: Origin, *, server: str) -> None:
        """Keep what a version would have answered to some requests, that is asked and not heard."""
        self._keep(SHADOWS, requests, origin, server)

    def labels(self, records: Sequence[LabelRecord]) -> None:
        """Keep labels; a later one for the same prediction or key is a correction, and both are kept."""
        by_model: dict[str, list[bytes]] = {}
        for record in records:
            by_model.setdefault(record.model, []).append(encode(record))
        for model, payloads in by_model.items():
            self._log(LABELS, model).append(payloads)

    def refusals(self, answers: Sequence[Answer], origin: Origin, *, request_id: str, server: str) -> None:
        """Keep rows that a version gave no answer to."""
        self._keep(REFUSALS, [(answers, request_id)], origin, server)

    def actions(self, records: Sequence[ActionRecord]) -> None:
        """Keep what people did with answers to one model; a later action does not undo an earlier one."""
        if records:
            self._log(ACTIONS, records[0].model).append([encode(record) for record in records])

    def facts(self, source: str, rows: Sequence[Mapping[str, Any]], *, at: datetime) -> None:
        """Keep rows of a source as they came."""
        now = micros(at)
        self._log(FACTS, source).append([encode(FactRecord(source, to_text(row), now)) for row in rows])

    def flush(self) -> None:
        """Wait until everything is on the disk."""
        for log in self._open():
            log.flush()

    def rotate(self) -> None:
        """Finish this process's segments, so that they can be sealed."""
        for log in self._open():
            log.rotate()

    def seal(self) -> dict[str, int]:
        """Move every finished segment of the workspace into its table; returns how many records went to which.

        Each record goes once, whoever seals and whenever a sealer dies. A stream that cannot be sealed does not hold
        up the others, and is reported in the end.
        """
        self.rotate()
        return seal(self._workspace)

    def close(self) -> None:
        """Finish and sync; closing twice is fine."""
        with self._guard:
            self._closed = True
            logs, self._logs = list(self._logs.values()), {}
        for log in logs:
            log.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fails(self, error: StorageError, origin: Origin, answers: int) -> int:
        serve = origin.contract.journal.unwritable == "serve"
        if not self._closed:
            self.unwritten.fails(origin.model, error, answers=answers, serve=serve)
        if not serve:
            raise error
        return answers

    def _keep(
        self,
        kind: Kind,
        requests: Sequence[tuple[Sequence[Answer], str]],
        origin: Origin,
        server: str,
        took: Sequence[int] | None = None,
    ) -> None:
        records: list[bytes] = []
        for (answers, name), lasted in zip(requests, took or repeat(None), strict=False):
            records += predicted(answers, origin, request_id=name, server=server, took=lasted)
        self._log(kind, origin.model).append(records)

    def _log(self, kind: Kind, subject: str) -> AppendLog:
        stream = kind.stream(subject)
        log = self._logs.get(stream)
        if log is not None:
            return log
        with self._guard:
            if self._closed:
                raise StorageError(f"The journal is closed and cannot take {stream}: the server is stopping")
            if stream not in self._logs:
                self._logs[stream] = self._workspace.log(stream)
            return self._logs[stream]

    def _open(self) -> list[AppendLog]:
        with self._guard:
            return list(self._logs.values())


def seal(workspace: Workspace) -> dict[str, int]:
    """Move what is written into the tables; who writes on this host is asked to finish the segment it has open.

    A segment's number in the ledger, see `sealing`, is given between its rows and the removal of its file.
    """
    moved: dict[str, int] = {}
    damage: OutlastError | None = None
    streams = [(kind, subject) for kind in KINDS for subject in subjects(workspace, kind)]
    appendlog.finish(workspace.log_root, [kind.stream(subject) for kind, subject in streams])
    for kind, subject in streams:
        stream = kind.stream(subject)

        def consume(segment: str, payloads: list[bytes], *, kind: Kind = kind, subject: str = subject) -> None:
            frame, table = kind.frame(segment, payloads), kind.stream(subject)
            if kind is PREDICTIONS:
                first.keep(workspace, subject, segment, frame)
            else:
                workspace.tables.append(table, frame, once=segment)
            sealing.note(workspace.ledger, table, [segment])

        try:
            count = appendlog.seal(workspace.log_root, stream, consume)
        except OutlastError as error:
            damage = damage or error
            continue
        if count:
            moved[stream] = count
    if damage is not None:
        raise damage
    return moved


def subjects(workspace: Workspace, kind: Kind) -> list[str]:
    """The models or sources that have a stream of this kind."""
    place = workspace.log_root / kind.name
    try:
        return sorted(folder.name for folder in place.iterdir() if folder.is_dir())
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise StorageError(f"There is a file in the way of {place}, where the journal goes: move it away") from None
