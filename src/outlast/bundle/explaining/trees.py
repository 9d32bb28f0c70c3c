"""The trees of a compiled model, read back from the file that ONNX Runtime computes them from.

The `onnx` package would do it too, in half a second and 30 MB that no server should spend: of its messages only the
fields that are needed are declared here, and protobuf passes over all others.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.errors import StorageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
AT_MOST, BELOW, AMONG = 0, 1, 6
"""The rules of a split, by ONNX's numbers."""

_MESSAGES = {
    "Model": "graph:7:Graph",
    "Graph": "node:1:Node*",
    "Node": "attribute:5:Attribute*",
    "Attribute": "name:1:string t:5:Tensor ints:8:int64*",
    "Tensor": "data_type:2:int32 raw_data:9:bytes",
}
_TYPES = {1: np.float32, 2: np.uint8, 11: np.float64}


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Splits and leaves by number; where a split's end is a leaf, `leaf` says so and its number is the leaf's."""

    feature: Ints
    threshold: Floats
    rule: npt.NDArray[np.uint8]
    missing: Bools
    ends: tuple[Ints, Ints]
    """Where a row goes for which the rule holds, and where else."""
    leaf: tuple[Bools, Bools]
    value: Floats
    output: Ints
    members: dict[int, Floats]


def trees_of(data: bytes) -> Ensemble:
    """The trees of an ONNX model as `onnx_of` writes it."""
    from google.protobuf.message import DecodeError  # only where trees are explained

    try:
        model = _message("Model").FromString(data)
    except DecodeError as error:
        raise StorageError(f"The trees of a bundle cannot be read ({error}): train it again") from error
    found = {one.name: one for one in model.graph.node[0].attribute}
    rule = _tensor(found["nodes_modes"]).astype(np.uint8)
    return Ensemble(
        feature=_ints(found["nodes_featureids"]),
        threshold=_tensor(found["nodes_splits"]),
        rule=rule,
        missing=_ints(found["nodes_missing_value_tracks_true"]).astype(bool),
        ends=(_ints(found["nodes_truenodeids"]), _ints(found["nodes_falsenodeids"])),
        leaf=(_ints(found["nodes_trueleafs"]).astype(bool), _ints(found["nodes_falseleafs"]).astype(bool)),
        value=_tensor(found["leaf_weights"]),
        output=_ints(found["leaf_targetids"]),
        members=_members(rule, found.get("membership_values")),
    )


def _members(rule: npt.NDArray[np.uint8], kept: Any) -> dict[int, Floats]:
    """The sets of the splits that have one, in their order, each ended by NaN."""
    if kept is None:
        return {}
    values = _tensor(kept)
    ends = np.flatnonzero(np.isnan(values))
    sets = np.split(values, ends + 1)[: len(ends)]
    return {int(node): one[:-1] for node, one in zip(np.flatnonzero(rule == AMONG), sets, strict=True)}


def _ints(attribute: Any) -> Ints:
    return np.array(attribute.ints, dtype=np.int64)


def _tensor(attribute: Any) -> Floats:
    return np.frombuffer(attribute.t.raw_data, _TYPES[attribute.t.data_type]).astype(np.float64)


@cache
def _message(name: str) -> Any:
    """The class of a message, of the fields that are declared above."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="outlast/trees.proto", package="outlast.trees", syntax="proto2")
    kind = descriptor_pb2.FieldDescriptorProto
    for message, fields in _MESSAGES.items():
        made = file.message_type.add(name=message)
        for field in fields.split():
            called, number, typed = field.split(":")
            label = kind.LABEL_REPEATED if typed.endswith("*") else kind.LABEL_OPTIONAL
            typed = typed.rstrip("*")
            one = made.field.add(name=called, number=int(number), label=label)
            if typed in _MESSAGES:
                one.type, one.type_name = kind.TYPE_MESSAGE, f".outlast.trees.{typed}"
            else:
                one.type = getattr(kind, f"TYPE_{typed.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"outlast.trees.{name}"))
