"""Our table of messages is that of the public protocol, field by field."""

from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from outlast.serving.grpc.messages import _TABLE, POOL, message

NAMES = [f"inference.{name}" for name in _TABLE["inference"]]


def fields(descriptor: Any) -> list[tuple[object, ...]]:
    return [
        (
            one.number,
            one.name,
            one.type,
            one.is_repeated,
            one.message_type.full_name if one.message_type else None,
            one.containing_oneof.name if one.containing_oneof else None,
        )
        for one in descriptor.fields
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_message_has_the_fields_of_the_protocol(name: str) -> None:
    theirs: Any = service_pb2.DESCRIPTOR
    outer, *inner = name.removeprefix("inference.").split(".")
    theirs = theirs.message_types_by_name[outer]
    for one in inner:
        theirs = theirs.nested_types_by_name[one]
    assert fields(POOL.FindMessageTypeByName(name)) == fields(theirs)


def test_their_bytes_are_ours() -> None:
    theirs = service_pb2.ModelInferRequest(model_name="late", id="7", raw_input_contents=[b"x"])
    theirs.parameters["a"].double_param = 1.5
    theirs.inputs.add(name="wind", datatype="FP64", shape=[1, 1]).contents.fp64_contents.append(2.5)
    ours = message("inference.ModelInferRequest").FromString(theirs.SerializeToString())
    assert str(ours) == str(theirs)
    assert ours.parameters["a"].WhichOneof("parameter_choice") == "double_param"
