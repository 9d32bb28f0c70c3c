"""From answers to tensors, and what the protocol says of a server and its models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.data.schema import Field
from outlast.errors import RequestError, nearest
from outlast.serving.explaining import Told
from outlast.serving.oip.tensors import Tensor

BINARY = "binary_tensor_data"
"""The one extension of the protocol that a server has."""
PLATFORM = "outlast_bundle"
_DATATYPE = {"Boolean": "BOOL", "Float32": "FP32", "Float64": "FP64"}


@dataclass(frozen=True)
class Column:
    """An input or output as metadata tells it."""

    name: str
    datatype: str
    shape: list[int]
    optional: bool = False


def inputs_of(predictor: Predictor) -> list[Column]:
    """A column per ask, then what may be left out: the question's key and its moment."""
    found = {ask.name: Column(ask.name, datatype_of(ask), [-1]) for ask in predictor.asks}
    for part in predictor.key_fields:
        found.setdefault(part.name, Column(part.name, datatype_of(part), [-1], optional=True))
    if predictor.time is not None:
        found.setdefault(predictor.time, Column(predictor.time, "BYTES", [-1], optional=True))
    return list(found.values())


def outputs_of(predictor: Predictor) -> list[Column]:
    """What an answer consists of."""
    scores = [Column("score", "FP64", [-1])]
    if predictor.task == "multiclass":
        width = len(predictor.classes)
        scores = [Column("scores", "FP64", [-1, width]), Column("classes", "BYTES", [width])]
    decision = Column("decision", "FP64" if predictor.task == "regression" else "BYTES", [-1])
    rest = [Column(name, "BYTES", [-1]) for name in ("rung", "prediction_id", "reasons", "warnings")]
    return [decision, *scores, *rest]


def datatype_of(field: Field) -> str:
    """The protocol's datatype of a column; text, days, moments and lengths of time are BYTES.

    >>> [datatype_of(Field("x", dtype)) for dtype in ("UInt8", "Float64", "Boolean", "Datetime(us, UTC)")]
    ['UINT8', 'FP64', 'BOOL', 'BYTES']
    """
    if field.dtype.startswith(("Int", "UInt")):
        return field.dtype.upper()
    return _DATATYPE.get(field.dtype, "BYTES")


def chosen(names: Sequence[str] | None, predictor: Predictor) -> list[str]:
    """The outputs to give, all where none are named; RequestError where there is no such output."""
    known = [one.name for one in outputs_of(predictor)]
    for name in names or ():
        if name not in known:
            raise RequestError(
                f"There is no output '{name[:80]}': {nearest(name, known)}", details={"field": name[:80]}
            )
    return list(dict.fromkeys(names)) if names else known


def tensors_of(answers: Sequence[Answer], predictor: Predictor, names: Sequence[str]) -> list[Tensor]:
    """Some outputs of answers."""
    columns = {one.name: one for one in outputs_of(predictor)}
    found = []
    for name in names:
        column = columns[name]
        values = predictor.classes if name == "classes" else _VALUES[name](answers, predictor)
        shape = [len(answers) if size == -1 else size for size in column.shape]
        found.append(Tensor(name, column.datatype, shape, list(values)))
    return found


def explanations(told: Sequence[Told]) -> Tensor:
    """What stands beside the outputs when a request asks to explain: a JSON object for each row, as text."""
    texts = [msgspec.json.encode(one.spoken()).decode() for one in told]
    return Tensor("explanation", "BYTES", [len(told)], texts)


def _scores(answers: Sequence[Answer], predictor: Predictor) -> list[float | None]:
    return [(one.scores or {}).get(name) for one in answers for name in predictor.classes]


_VALUES: dict[str, Callable[[Sequence[Answer], Predictor], list[Any]]] = {
    "decision": lambda answers, _: [one.decision for one in answers],
    "score": lambda answers, _: [one.score for one in answers],
    "scores": _scores,
    "rung": lambda answers, _: [one.rung for one in answers],
    "prediction_id": lambda answers, _: [one.prediction_id for one in answers],
    "reasons": lambda answers, _: ["\n".join(one.reasons) for one in answers],
    "warnings": lambda answers, _: ["\n".join(one.warnings) for one in answers],
}


@cache
def server_metadata() -> dict[str, Any]:
    """What the server is."""
    return {"name": "outlast", "version": version("outlast"), "extensions": [BINARY]}


def model_metadata(predictor: Predictor) -> dict[str, Any]:
    """What a model takes and gives, in the protocol's words."""
    return {
        "name": predictor.model,
        "versions": [str(predictor.version)],
        "platform": PLATFORM,
        "inputs": [_told(one) for one in inputs_of(predictor)],
        "outputs": [_told(one) for one in outputs_of(predictor)],
    }


def _told(one: Column) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
    return {**told, "parameters": {"optional": True}} if one.optional else told
