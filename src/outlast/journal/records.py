"""What the append-log holds: one record per prediction, label, action and fact, each with its format in front."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar
from zlib import crc32

import msgspec

from outlast.bundle.answers import Answer
from outlast.errors import StorageError
from outlast.journal.spelling import number_of, to_text, value_text
from outlast.project.contract import Contract
from outlast.types import Named

FORMAT = 1
_LEAD = bytes([FORMAT])
_encode = msgspec.msgpack.Encoder().encode
R = TypeVar("R", bound=msgspec.Struct)


class Origin(Protocol):
    """What a record needs to know of the version that answered."""

    @property
    def model(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def contract(self) -> Contract: ...


class Prediction(msgspec.Struct, frozen=True, array_like=True):
    """An answer, which version gave it, in which request and on which server.

    Where the caller named the request, `place` is the row's in it, and `asked` a digest of all its rows: a repeat has
    the same three. `took` is how many microseconds the request took until this was written.
    """

    prediction_id: str
    model: str
    version: int
    digest: str
    request_id: str
    server: str
    key: str | None
    at: int
    decide_at: int
    asks: str | None
    features: str | None
    score: float | None
    scores: str | None
    decision: str | None
    rung: str
    reasons: list[str]
    warnings: list[str]
    cells: bytes
    place: int | None = None
    asked: str | None = None
    took: int | None = None


class LabelRecord(msgspec.Struct, frozen=True, array_like=True):
    """What turned out, for a prediction or for a key of the model's questions, and since when it is known."""

    model: str
    prediction_id: str | None
    key: str | None
    value: str
    number: float | None
    known_at: int
    at: int
    origin: str


class ActionRecord(msgspec.Struct, frozen=True, array_like=True):
    """What people did with an answer, or said of it: for a prediction or for a key of the model's questions."""

    model: str
    prediction_id: str | None
    key: str | None
    action: str
    comment: str | None
    by: str | None
    at: int
    origin: str


class FactRecord(msgspec.Struct, frozen=True, array_like=True):
    """A row of a source, as it came."""

    source: str
    row: str
    at: int


class _Sent(NamedTuple):
    """What the answers to one request have in common."""

    request_id: str
    server: str
    asked: str | None
    took: int | None


def predicted(
    answers: Sequence[Answer], origin: Origin, *, request_id: str, server: str, took: int | None = None
) -> list[bytes]:
    """Answers as records. Where the contract samples, the rest is kept without its asks and features."""
    sample = origin.contract.journal.sample
    asked = request_id.asked if isinstance(request_id, Named) else None
    sent = _Sent(str(request_id), server, asked, took)
    return [
        _LEAD + _encode(_prediction(one, origin, sent, sample, None if asked is None else place))
        for place, one in enumerate(answers)
    ]


def label(
    model: str,
    value: Any,
    *,
    prediction_id: str | None = None,
    key: str | None = None,
    known_at: int,
    at: int,
    origin: str,
) -> LabelRecord:
    """A label from any plain value: a truth value, a number or the name of a class."""
    if (prediction_id is None) == (key is None):
        raise ValueError("a label belongs to a prediction or to a key: give exactly one")
    return LabelRecord(model, prediction_id, key, value_text(value), number_of(value), known_at, at, origin)


def encode(record: LabelRecord | FactRecord | ActionRecord) -> bytes:
    """A record's bytes."""
    return _LEAD + _encode(record)


def decoder(kind: type[R]) -> Callable[[bytes], R]:
    """A function from a payload of the log to its record."""
    decode = msgspec.msgpack.Decoder(kind).decode

    def read(payload: bytes) -> R:
        if payload[:1] != _LEAD:
            raise StorageError(
                f"A record of the journal has format {payload[0] if payload else 'none'}, this Outlast reads {FORMAT}: "
                "seal the journal with the Outlast that wrote it"
            )
        return decode(memoryview(payload)[1:])

    return read


def _prediction(answer: Answer, origin: Origin, sent: _Sent, sample: float, place: int | None) -> Prediction:
    asked = answer.unsure or answer.rung == "refused"  # people may be asked about it, and have to see it
    whole = sample >= 1.0 or asked or crc32(answer.prediction_id.encode()) < sample * 2**32
    decision = answer.decision
    return Prediction(
        answer.prediction_id,
        origin.model,
        origin.version,
        origin.digest,
        sent.request_id,
        sent.server,
        answer.key,
        answer.at,
        answer.decide_at,
        to_text(answer.asks) if whole else None,
        to_text(answer.features) if whole else None,
        answer.score,
        None if answer.scores is None else to_text(answer.scores),
        decision if decision is None or isinstance(decision, str) else repr(decision),
        answer.rung,
        answer.reasons,
        answer.warnings,
        answer.cells,
        place,
        sent.asked,
        sent.took,
    )
