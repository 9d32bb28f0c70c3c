"""From tensors to rows: a tensor per column of the request, or all of them in one."""

from collections.abc import Sequence
from typing import Any

from outlast.bundle.predictor import Predictor
from outlast.data.schema import Field
from outlast.errors import RequestError
from outlast.serving.oip.tensors import Tensor


def rows_from(inputs: Sequence[Tensor], predictor: Predictor) -> list[dict[str, Any]]:
    """The rows that tensors stand for; what their values mean is for the Predictor to say."""
    if not inputs:
        raise RequestError(f"The request has no inputs: send a tensor for each of {_names(predictor)}")
    first = inputs[0]
    if len(inputs) == 1 and len(first.shape) == 2 and first.name not in _columns(predictor):
        return _matrix(first, predictor)
    return _named(inputs)


def _columns(predictor: Predictor) -> set[str]:
    names = {field.name for field in (*predictor.asks, *predictor.key_fields)}
    return names if predictor.time is None else names | {predictor.time}


def _names(predictor: Predictor) -> str:
    return ", ".join(f"'{ask.name}'" for ask in predictor.asks)


def _named(inputs: Sequence[Tensor]) -> list[dict[str, Any]]:
    names = [one.name for one in inputs]
    for one in inputs:
        if names.count(one.name) > 1:
            raise _fault(one, "comes twice: send each column once")
        if len(one.shape) == 2 and one.shape[1] != 1:
            raise _fault(one, f"has the shape {one.shape}: expected [rows] or [rows, 1] for a column")
        if one.shape[0] != inputs[0].shape[0]:
            rows = inputs[0].shape[0]
            raise _fault(one, f"has {one.shape[0]} rows, and '{names[0][:80]}' has {rows}: send as many for each")
    return [dict(zip(names, row, strict=True)) for row in zip(*[one.values for one in inputs], strict=True)]


def _matrix(one: Tensor, predictor: Predictor) -> list[dict[str, Any]]:
    """Rows of one tensor, whose columns are the asks in their order."""
    names = [ask.name for ask in predictor.asks]
    other = next((ask for ask in predictor.asks if not is_number(ask)), None)
    if other is not None:
        raise _fault(
            one,
            f"stands for all columns, and '{other.name}' is no number: send a tensor for each of {_names(predictor)}",
        )
    if not one.is_number:
        raise _fault(
            one, f"is of {one.datatype}: expected FP64, or another datatype of numbers, for all columns in one"
        )
    if one.shape[1] != len(names):
        raise _fault(one, f"has {one.shape[1]} columns: expected {len(names)}, in the order {_names(predictor)}")
    return [dict(zip(names, row, strict=True)) for row in one.nested()]


def is_number(field: Field) -> bool:
    """Whether a tensor of numbers can hold a column."""
    return field.dtype.startswith(("Int", "UInt", "Float", "Decimal"))


def _fault(one: Tensor, says: str) -> RequestError:
    return RequestError(f"Tensor '{one.name[:80]}' {says}", details={"field": one.name[:80]})
