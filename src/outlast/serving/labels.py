"""Labels as people give them, over HTTP, in a file or by hand: checked in one way, against the version's task.

A label belongs to a prediction or to a key of the model's questions; its value is what the version was asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.bundle.requests import MISSING, as_moment, converters, spell_key
from outlast.data.schema import Field
from outlast.errors import DataError, NotFound, RequestError, nearest
from outlast.journal.finding import the_prediction
from outlast.journal.journal import Journal
from outlast.journal.records import LabelRecord, label
from outlast.journal.strays import Strays, strays
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.files import read_rows
from outlast.types import ModelRef, Task, micros, now

FIELDS = ("prediction_id", "key", "value", "known_at")
PART = 10_000
_AHEAD = 300_000_000
"""Microseconds a label may be known ahead of our clock, since clocks differ."""


class Fault(Protocol):
    """Makes the sentence about a field of a label, with its place; about all of it where no field is named."""

    def __call__(self, field: str | None, says: str, /) -> RequestError: ...


@dataclass(frozen=True)
class Truth:
    """What a label of a version can be, and how its questions are named."""

    task: Task
    classes: list[str]
    key: list[Field]

    @property
    def names(self) -> list[str]:
        """The columns of a question's key."""
        return [field.name for field in self.key]


def truth_of(workspace: Workspace, model: str) -> Truth:
    """What labels of a model's live version, else its latest, can be; nothing of it is executed."""
    manifest = open_bundle(workspace, find(workspace.ledger, ModelRef(model)).digest).manifest
    return Truth(manifest["task"], manifest["classes"], [msgspec.convert(one, Field) for one in manifest["key"]])


def record_of(one: Any, index: int, *, model: str, truth: Truth | None, at: int, origin: str) -> LabelRecord:
    """A label of a list as it is kept; RequestError names its place, the field and what was expected."""
    return checked(one, partial(_fault, index), model=model, truth=truth, at=at, origin=origin)


def checked(one: Any, fault: Fault, *, model: str, truth: Truth | None, at: int, origin: str) -> LabelRecord:
    """A label as it is kept; `fault` names its place.

    Without `truth`, as for a model that is not served here, the value is kept as it came.
    """
    if not isinstance(one, dict):
        raise fault(None, "is not an object: expected prediction_id or key, and value")
    unknown = next((name for name in one if name not in FIELDS), None)
    if unknown is not None:
        raise fault(unknown, f"is not a field of a label: {nearest(unknown, FIELDS)}")
    prediction_id, key = one.get("prediction_id"), one.get("key")
    if (prediction_id is None) == (key is None):
        raise fault("prediction_id", "and key: expected exactly one of the two")
    if prediction_id is not None and not (isinstance(prediction_id, str) and 0 < len(prediction_id) <= 200):
        raise fault("prediction_id", "is not the text that a prediction was answered with")
    return label(
        model,
        _value(one.get("value"), fault, truth),
        prediction_id=prediction_id,
        key=None if key is None else key_of(key, fault, truth),
        known_at=_known_at(one.get("known_at"), fault, at),
        at=at,
        origin=origin,
    )


def label_one(workspace: Workspace, model: str, *, prediction_id: str | None, key: str | None, value: str) -> Strays:
    """Keep one label given as text: the value, and a key of several parts, are JSON; says whether it met anything.

    A prediction may be named by how its id begins, and has to be there.
    """
    if prediction_id is not None and key is None:
        prediction_id = _id_of(workspace, model, prediction_id)
    given: dict[str, Any] = {"value": plain_of(value), "prediction_id": prediction_id}
    truth = truth_of(workspace, model)
    if key is not None:
        given["key"] = plain_of(key) if key.startswith("{") else _typed(key, truth)
    record = checked(given, _of_option, model=model, truth=truth, at=micros(now()), origin="command")
    return _keep(workspace, model, [record])


def key_named(workspace: Workspace, model: str, text: str) -> tuple[str, list[str]]:
    """A key given as text, as predictions are kept under it, and the columns it is of; several parts are JSON."""
    truth = truth_of(workspace, model)
    given = plain_of(text) if text.startswith("{") else _typed(text, truth)
    return key_of(given, lambda _, says: RequestError(f"The key {says}"), truth), truth.names


def label_file(workspace: Workspace, model: str, file: Path) -> Strays:
    """Keep the labels of a file, every row checked before the first is kept; says how many met anything."""
    truth, at, frame = truth_of(workspace, model), micros(now()), read_rows(file)
    called = {"value": _value_column(frame), "key": None if set(truth.names) <= set(frame.columns) else "key"}
    records = [
        checked(one, partial(_of_row, file, index, called), model=model, truth=truth, at=at, origin=f"file {file.name}")
        for index, one in enumerate(_rows(frame, truth, file))
    ]
    return _keep(workspace, model, records)


def _keep(workspace: Workspace, model: str, records: list[LabelRecord]) -> Strays:
    found = strays(workspace, model, records)
    with Journal(workspace) as journal:
        for begin in range(0, len(records), PART):
            journal.labels(records[begin : begin + PART])
    return found


def _id_of(workspace: Workspace, model: str, begins: str) -> str:
    """The whole id of a prediction of the model, by how it begins."""
    found = the_prediction(workspace, begins)
    if found["model"] != model:
        raise NotFound(f"'{begins[:80]}' is a prediction of {found['model']}, not of {model}")
    return str(found["prediction_id"])


def _value_column(frame: pl.DataFrame) -> str | None:
    return next((name for name in ("label", "value") if name in frame.columns), None)


def _rows(frame: pl.DataFrame, truth: Truth, file: Path) -> Iterator[dict[str, Any]]:
    value = _value_column(frame)
    by_id, keyed = "prediction_id" in frame.columns, bool(truth.key) and set(truth.names) <= set(frame.columns)
    if value is None or not (by_id or keyed or "key" in frame.columns):
        names = f"the key ({', '.join(truth.names)})" if truth.key else "key"
        raise DataError(
            f"{file} has the columns {', '.join(frame.columns)}: "
            f"expected label, and prediction_id or {names}, and perhaps known_at"
        )
    for row in frame.iter_rows(named=True):
        found = {"value": row[value], "known_at": row.get("known_at")}
        if by_id and row["prediction_id"] is not None:
            yield {**found, "prediction_id": row["prediction_id"]}
        else:
            yield {**found, "key": {name: row[name] for name in truth.names} if keyed else row.get("key")}


def _value(value: Any, fault: Fault, truth: Truth | None) -> Any:
    if value is None or isinstance(value, dict | list):
        raise fault("value", "is missing: expected what turned out, such as true")
    if truth is None:
        return value
    if truth.task == "regression" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise fault("value", f"is {str(value)[:40]!r}: expected a number")
    if truth.task == "binary" and value not in (True, False):
        raise fault("value", f"is {str(value)[:40]!r}: expected true or false")
    if truth.task == "multiclass" and str(value) not in truth.classes:
        hint = nearest(str(value), truth.classes)
        raise fault("value", f"is {str(value)[:40]!r}, no class of this model: {hint}")
    return bool(value) if truth.task == "binary" else str(value) if truth.task == "multiclass" else value


def key_of(key: Any, fault: Callable[[str, str], RequestError], truth: Truth | None) -> str:
    """A key in the spelling that predictions are kept under: a value, or an object where it has several parts."""
    if truth is None or not truth.key:
        if isinstance(key, str | int):
            return spell_key([key])
        raise fault("key", "is not a text or a whole number")
    names = truth.names
    parts = key if isinstance(key, dict) else {names[0]: key} if len(names) == 1 else {}
    if set(parts) != set(names):
        raise fault("key", f"is not complete: expected an object with {', '.join(names)}")
    convert = converters(truth.key)
    found = []
    for name in names:
        to, expected = convert[name]
        value = MISSING if parts[name] is None else to(parts[name])
        if value is MISSING:
            raise fault("key", f"has {str(parts[name])[:60]!r} as '{name}': expected {expected}")
        found.append(value)
    return spell_key(found)


def _known_at(given: Any, fault: Fault, at: int) -> int:
    if given is None:
        return at
    moment = as_moment(given)
    if moment is MISSING:
        raise fault("known_at", f"is {str(given)[:40]!r}: expected a moment such as 2013-07-01T12:00:00Z")
    known = micros(moment)
    if known > at + _AHEAD:
        raise fault("known_at", f"is {str(given)[:40]}, which is still to come: expected a moment until now")
    return known


def plain_of(text: str) -> Any:
    """A value written as JSON; other text means itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _typed(key: str, truth: Truth) -> Any:
    """A key of one part: text, or the number that its column holds."""
    if len(truth.key) == 1 and truth.key[0].dtype.startswith(("Int", "UInt")):
        return plain_of(key)
    return key


def _fault(index: int, field: str | None, says: str) -> RequestError:
    where = f"Label {index}" if field is None else f"Label {index}, field '{field[:80]}'"
    return RequestError(f"{where} {says}", details={"row": index, **({} if field is None else {"field": field})})


def _of_option(field: str | None, says: str) -> RequestError:
    """About a label that is given alone, by the options of a command."""
    option = {None: "The label", "prediction_id": "--prediction", "known_at": "The moment"}.get(field, f"--{field}")
    return RequestError(f"{option} {says}", details={} if field is None else {"field": field})


def _of_row(file: Path, index: int, called: dict[str, str | None], field: str | None, says: str) -> RequestError:
    """About a label of a file: its line, or the row of a file that has none, and its column."""
    place = f"line {index + 2:,}" if file.suffix.lower() == ".csv" else f"row {index + 1:,}"
    column = None if field is None else called.get(field, field)
    named = "the label" if field is None else "the key" if column is None else f"column '{column[:80]}'"
    details = {"row": index, **({} if field is None else {"field": field})}
    return RequestError(f"{file.name}, {place}: {named} {says}", details=details)
