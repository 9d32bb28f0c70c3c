"""POST /invocations: the scoring protocol of MLflow, in JSON and CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.predictor import Predictor
from outlast.data.schema import Field
from outlast.errors import RequestError, nearest
from outlast.serving.choosing import given
from outlast.serving.explaining import EXPLAINING, Wanted, wanted_of
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import content_type, json_of, read
from outlast.serving.http.carried import json_answer, parts_of, patience, request_id, wanted
from outlast.serving.http.errors import HttpError
from outlast.serving.http.predict import all_spoken
from outlast.serving.parts import Parts
from outlast.types import ModelRef

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CSV = "the CSV"
Rows = list[dict[str, Any]]


async def invocations(request: Request) -> Response:
    """Answer for the rows of a body in one of MLflow's forms."""
    parts, name = parts_of(request), request_id(request)
    as_csv = content_type(request) == "text/csv"
    body: Any = await read(request) if as_csv else await json_of(request)
    model = _model(request, parts)
    caller_of(request).require(model, f"model '{model[:80]}'")
    seat = parts.house.take(model)
    with seat as predictor:
        rows = _from_csv(body, predictor) if as_csv else _from_json(body, predictor)
        asked = wanted(request, "model")
        explain = asked if as_csv else _wanted(body) or asked
        by = await given(parts, seat, rows, name, within=patience(request), explain=explain)
    begin = perf_counter()
    head = {"model": by.predictor.model, "version": by.predictor.version, **({"advice": True} if by.advice else {})}
    found = {**head, "predictions": all_spoken(by)}
    encoded = msgspec.json.encode(found)
    parts.metrics.step("encode", begin)
    return json_answer(encoded, name, again=by.again)


def _model(request: Request, parts: Parts) -> str:
    named = request.query_params.get("model")
    if named:
        return ModelRef.parse(named).name
    served = [name for name in parts.house.predictors() if caller_of(request).sees(name)]
    if len(served) != 1:
        raise RequestError(f"Say which model you mean with /invocations?model=NAME: {nearest('', served)}")
    return served[0]


def _from_json(body: Any, predictor: Predictor) -> Rows:
    if not isinstance(body, dict):
        raise RequestError(f"The body is not an object: send one with one of {', '.join(FORMS)}")
    found = [name for name in body if name in FORMS]
    other = [name for name in body if name not in (*FORMS, "params")]
    if other:
        raise RequestError(
            f"'{other[0][:80]}' is no part of this protocol: {nearest(other[0], FORMS)}", details={"field": other[0]}
        )
    if len(found) != 1:
        raise RequestError(f"The body has {len(found)} forms of rows: send exactly one of {', '.join(FORMS)}")
    form = found[0]
    return _READERS[form](body[form], predictor)


def _wanted(body: Any) -> Wanted | None:
    """What `params` ask for, the only thing that they may."""
    params = body.get("params")
    if not params:
        return None
    if not isinstance(params, dict):
        raise _odd("params", '{"explain": true}')
    other = next((name for name in params if name not in EXPLAINING), None)
    if other is not None:
        says = f"'{other[:80]}' is no parameter: {nearest(other, EXPLAINING)}"
        raise RequestError(says, details={"field": "params"})
    return wanted_of(params)


def _split(value: Any, predictor: Predictor) -> Rows:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise _odd("dataframe_split", '{"columns": [...], "data": [[...], ...]}')
    names = value.get("columns", [ask.name for ask in predictor.asks])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _odd("dataframe_split", '{"columns": [...], "data": [[...], ...]}')
    return _lines(names, value["data"], "'dataframe_split'")


def _records(value: Any, predictor: Predictor) -> Rows:
    if not isinstance(value, list):
        raise _odd("dataframe_records", "[{...}, {...}]")
    return value


def _instances(value: Any, predictor: Predictor) -> Rows:
    if not isinstance(value, list):
        raise _odd("instances", "[{...}, {...}]")
    if value and all(isinstance(row, list) for row in value):
        return _lines([ask.name for ask in predictor.asks], value, "'instances'")
    return value


def _inputs(value: Any, predictor: Predictor) -> Rows:
    if isinstance(value, list):
        return _instances(value, predictor)
    if not isinstance(value, dict) or not value:
        raise _odd("inputs", '{"column": [...], ...}')
    columns = {name: column if isinstance(column, list) else [column] for name, column in value.items()}
    if len({len(column) for column in columns.values()}) != 1:
        raise RequestError("The columns of 'inputs' differ in length: send as many values for each")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


_READERS: dict[str, Callable[[Any, Predictor], Rows]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _lines(names: Sequence[str], data: list[Any], form: str) -> Rows:
    _each_once(names, "csv" if form == _CSV else "json")
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(names):
            size = f"{len(row)} values" if isinstance(row, list) else "no array"
            raise RequestError(f"Row {index} of {form} has {size}: expected {len(names)}", details={"row": index})
    return [dict(zip(names, row, strict=True)) for row in data]


def _each_once(names: Sequence[str], kind: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise HttpError(400, kind, f"The column '{name[:80]}' comes twice: send each column once")


def _odd(form: str, expected: str) -> RequestError:
    return RequestError(f"'{form}' is not in its form: expected {expected}", details={"field": form})


def _from_csv(body: bytes, predictor: Predictor) -> Rows:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise HttpError(400, "csv", f"The CSV is not UTF-8 (byte {error.start}): send UTF-8") from None
    except csv.Error as error:
        raise HttpError(400, "csv", f"The CSV cannot be read: {error}") from None
    lines = [line for line in lines if line]
    if not lines:
        raise HttpError(400, "csv", "The CSV is empty: send a line of column names and a line per row")
    fields = {field.name: field for field in (*predictor.asks, *predictor.key_fields)}
    rows = _lines(lines[0], list(lines[1:]), _CSV)
    return [{name: _value(text, fields.get(name)) for name, text in row.items()} for row in rows]


def _value(text: str, field: Field | None) -> Any:
    """A cell by its field's type; what cannot be read stays text, and the Predictor says what is wrong with it."""
    dtype = "" if field is None else field.dtype
    if text == "" or (dtype.startswith("Float") and text.lower() == "nan"):
        return None  # as a frame has what is missing
    if dtype == "Boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        if dtype.startswith(("Int", "UInt")):
            return int(text)
        if dtype.startswith("Float"):
            return float(text)
    except ValueError:
        return text
    return text
