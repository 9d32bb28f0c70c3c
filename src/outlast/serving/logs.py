"""Lines of a server's log: as text or as JSON, each with the request it is about, and nothing of what that said.

An exception's own words may quote a row, so its kind is logged, and where it happened.
"""

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from outlast.errors import OutlastError, SettingsError, StorageError, nearest
from outlast.serving.handling import handled

FORMATS = ("text", "json")
_CHATTY = ("httpx", "uvicorn", "alembic", "opentelemetry")  # a gate's own ledgers would read as a migration of this one
_About = dict[str, Any]
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def last_line(log: Path) -> str:
    """What a process said last into its log, as far as one line tells."""
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else "it said nothing"


def log_to_stderr(form: str | None = None, *, worker: int | None = None) -> None:
    """Log as text, or one JSON object a line; SettingsError for any other form. Of several workers each says which."""
    form = form or FORMATS[0]
    if form not in FORMATS:
        raise SettingsError(f"OUTLAST_LOG_FORMAT is '{form}': {nearest(form, FORMATS)}")
    handler = logging.StreamHandler()
    handler.setFormatter(Json(worker) if form == "json" else Text(worker))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def said_of(error: OutlastError) -> str:
    """What a log may say of an error: the sentence where it is about our own places, else its kind."""
    if isinstance(error, StorageError):
        return error.sentence
    return ", from ".join(type(one).__name__ for one in _chain(error))


class Text(logging.Formatter):
    """A line for people."""

    def __init__(self, worker: int | None = None) -> None:
        by = "" if worker is None else f" worker {worker}:"
        super().__init__(f"%(asctime)s %(levelname)s{by} %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _moment(record)

    def formatException(self, ei: _Raised) -> str:
        return _where(ei[1])

    def formatMessage(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={_plain(value)}" for name, value in _about().items())
        return super().formatMessage(record) + (f" ({about})" if about else "")


class Json(logging.Formatter):
    """A JSON object."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._by = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._by,
            **_about(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _where(record.exc_info[1])
        return json.dumps(line)


def _about() -> _About:
    """Which request it is about, or which of a batch, the version that answers, and the trace."""
    requests = handled()
    if not requests:
        return {}
    if len(requests) == 1:
        found: _About = {"request_id": requests[0].request_id}
    else:
        found = {"request_ids": [one.request_id for one in requests]}
    predictor = requests[0].predictor
    if predictor is not None:
        found |= {"model": predictor.model, "version": predictor.version}
    traces = list(dict.fromkeys(one.trace_id for one in requests if one.trace_id is not None))
    if traces:
        found |= {"trace_id": traces[0]} if len(traces) == 1 else {"trace_ids": traces}
    return found


def _plain(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _where(error: BaseException | None) -> str:
    """Where it happened and what led to it, without the words of any exception."""
    if error is None:
        return ""
    parts = [f"{type(one).__qualname__} at\n{''.join(traceback.format_tb(one.__traceback__))}" for one in _chain(error)]
    return "which came from ".join(parts).rstrip()


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
