"""The messages of the protocol, from a table of their fields instead of generated code.

Generated code is bound to the release of protobuf that made it; these classes are made by the one that is installed.
They have a pool of their own, so that a client library in the same process can have messages of the same names.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TENSOR = "name:1:string datatype:2:string shape:3:int64*"
_TABLE = {
    "inference": {
        "ServerLiveRequest": "",
        "ServerLiveResponse": "live:1:bool",
        "ServerReadyRequest": "",
        "ServerReadyResponse": "ready:1:bool",
        "ModelReadyRequest": "name:1:string version:2:string",
        "ModelReadyResponse": "ready:1:bool",
        "ServerMetadataRequest": "",
        "ServerMetadataResponse": "name:1:string version:2:string extensions:3:string*",
        "ModelMetadataRequest": "name:1:string version:2:string",
        "ModelMetadataResponse.TensorMetadata": _TENSOR,
        "ModelMetadataResponse": "name:1:string versions:2:string* platform:3:string "
        "inputs:4:.inference.ModelMetadataResponse.TensorMetadata* "
        "outputs:5:.inference.ModelMetadataResponse.TensorMetadata*",
        "InferParameter": "bool_param:1:bool? int64_param:2:int64? string_param:3:string? double_param:4:double? "
        "uint64_param:5:uint64?",
        "InferTensorContents": "bool_contents:1:bool* int_contents:2:int32* int64_contents:3:int64* "
        "uint_contents:4:uint32* uint64_contents:5:uint64* fp32_contents:6:float* fp64_contents:7:double* "
        "bytes_contents:8:bytes*",
        "ModelInferRequest.InferInputTensor": f"{_TENSOR} parameters:4:map contents:5:.inference.InferTensorContents",
        "ModelInferRequest.InferRequestedOutputTensor": "name:1:string parameters:2:map",
        "ModelInferRequest": "model_name:1:string model_version:2:string id:3:string parameters:4:map "
        "inputs:5:.inference.ModelInferRequest.InferInputTensor* "
        "outputs:6:.inference.ModelInferRequest.InferRequestedOutputTensor* raw_input_contents:7:bytes*",
        "ModelInferResponse.InferOutputTensor": f"{_TENSOR} parameters:4:map contents:5:.inference.InferTensorContents",
        "ModelInferResponse": "model_name:1:string model_version:2:string id:3:string parameters:4:map "
        "outputs:5:.inference.ModelInferResponse.InferOutputTensor* raw_output_contents:6:bytes*",
    },
    "grpc.health.v1": {
        "HealthCheckRequest": "service:1:string",
        "HealthCheckResponse": "status:1:int32",  # on the wire, an enumeration is this number
    },
}
"""name:number:type; * stands for a list, ? for one of a choice, map for parameters by name."""
_Field = descriptor_pb2.FieldDescriptorProto


def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for package, messages in _TABLE.items():
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        made: dict[str, Any] = {}
        for name in sorted(messages, key=lambda one: one.count(".")):
            outer, _, last = name.rpartition(".")
            made[name] = (made[outer].nested_type if outer else file.message_type).add(name=last)
            _fill(made[name], f".{package}.{name}", messages[name])
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _fill(message: Any, full_name: str, fields: str) -> None:
    for field in fields.split():
        name, number, kind = field.split(":")
        one = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind == "map":
            _entry(message)
            one.label = _Field.LABEL_REPEATED
            _type(one, f"{full_name}.ParametersEntry")
            continue
        if kind.endswith("?"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="parameter_choice")
            one.oneof_index = 0
        if kind.endswith("*"):
            one.label = _Field.LABEL_REPEATED
        _type(one, kind.rstrip("*?"))


def _type(field: Any, kind: str) -> None:
    if kind.startswith("."):
        field.type, field.type_name = _Field.TYPE_MESSAGE, kind
    else:
        field.type = getattr(_Field, f"TYPE_{kind.upper()}")


def _entry(message: Any) -> None:
    """What a map of parameters is on the wire: a list of pairs."""
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    _type(entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL), "string")
    _type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), ".inference.InferParameter")


POOL = _pool()


def message(name: str) -> Any:
    """The class of a message, by its full name."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))
