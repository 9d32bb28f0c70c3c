"""Tensors as messages carry them: typed lists, or raw bytes for all of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from outlast.errors import RequestError
from outlast.serving.answering import MOST
from outlast.serving.oip.tensors import Tensor, tensor_of, text_of

_LISTS = {
    "BOOL": "bool_contents",
    "BYTES": "bytes_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    **{f"INT{bits}": "int_contents" for bits in (8, 16, 32)},
    **{f"UINT{bits}": "uint_contents" for bits in (8, 16, 32)},
}


def tensors_from(request: Any) -> list[Tensor]:
    """The inputs of a ModelInferRequest; RequestError where one is not what it says it is."""
    raw: Sequence[bytes] = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            f"The request has {len(raw)} raw_input_contents for {len(request.inputs)} inputs: send all raw"
        )
    return [_tensor(one, raw[at] if raw else None) for at, one in enumerate(request.inputs)]


def _tensor(one: Any, raw: bytes | None) -> Tensor:
    data: Any = raw
    if raw is None:
        name = _LISTS.get(one.datatype)
        if name is None and one.datatype == "FP16":
            raise RequestError(f"Tensor '{one.name[:80]}' is of FP16, which has no list of its own: send it raw")
        data = [] if name is None else list(getattr(one.contents, name))
        if one.datatype == "BYTES":
            data = [text_of(one.name, text) for text in data]
    elif one.HasField("contents"):
        raise RequestError(f"Tensor '{one.name[:80]}' has contents beside raw_input_contents: send one of them")
    return tensor_of(one.name, one.datatype, list(one.shape), data, most=MOST)


def fill(response: Any, outputs: Iterable[Tensor], *, raw: bool) -> None:
    """Put outputs into a ModelInferResponse; what there is none of becomes NaN, or an empty text."""
    for one in outputs:
        said = response.outputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
        if raw:
            response.raw_output_contents.append(one.as_bytes())
        else:
            getattr(said.contents, _LISTS[one.datatype]).extend(_values(one))


def _values(one: Tensor) -> list[Any]:
    if one.datatype == "BYTES":
        return [b"" if text is None else text.encode("utf-8", "replace") for text in one.values]
    return [float("nan") if value is None else value for value in one.values]
