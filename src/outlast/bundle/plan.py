"""What a compiled model is made of, as it is written in a bundle: steps over columns, then trees or weights."""

from typing import Literal

import msgspec

from outlast.errors import StorageError
from outlast.types import FORMAT

PLAN, TREES = "model/compiled.json", "model/trees.onnx"
Word = str | int | float | bool


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A value as a number; what is missing is NaN."""


class Fill(msgspec.Struct, frozen=True, tag="fill"):
    """A value in the place of what is missing."""

    value: Word


class Code(msgspec.Struct, frozen=True, tag="code"):
    """The number of a category; `unknown` and `missing` are NaN where they are None."""

    keys: tuple[Word, ...]
    values: tuple[float | None, ...]
    unknown: float | None = None
    missing: float | None = None
    refuses: tuple[Literal["unknown", "missing"], ...] = ()
    """What is an error, as it is for the encoder that was fitted."""


class Equal(msgspec.Struct, frozen=True, tag="equal"):
    """One where a number is this one, else nothing: a column of a one-hot encoding."""

    value: float


class Plus(msgspec.Struct, frozen=True, tag="plus"):
    value: float


class Times(msgspec.Struct, frozen=True, tag="times"):
    value: float


class Over(msgspec.Struct, frozen=True, tag="over"):
    value: float


class Single(msgspec.Struct, frozen=True, tag="single"):
    """Rounded to 32 bits, as some libraries read their inputs."""


Op = Number | Fill | Code | Equal | Plus | Times | Over | Single


class Column(msgspec.Struct, frozen=True):
    """One column of the model's matrix: a feature, and what is done to it."""

    name: str
    ops: tuple[Op, ...]


class Forest(msgspec.Struct, frozen=True, tag="trees"):
    """Trees, in a file beside; as many sums as there are outputs."""

    outputs: int
    single: bool = False
    """Whether they are computed in 32 bits."""


class Weights(msgspec.Struct, frozen=True, tag="weights"):
    """A weighted sum for each output."""

    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]


class Plan(msgspec.Struct, frozen=True):
    """Everything but the trees. `places` are the codes of the classes that the outputs are about."""

    columns: tuple[Column, ...]
    model: Forest | Weights
    link: Literal["identity", "logistic", "softmax", "exp", "shares"]
    places: tuple[int, ...] = ()
    classes: int = 1
    factor: float = 1.0
    """What a sum is multiplied with before the link."""
    count: int = 1
    """What a sum is divided by: of how many trees it is the mean."""
    format: int = FORMAT


def read_plan(data: bytes) -> Plan:
    """A plan as it was written."""
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        raise StorageError(f"The compiled model of a bundle cannot be read ({error}): train it again") from error


def written(plan: Plan) -> bytes:
    """A plan as bytes, equal for equal plans."""
    return msgspec.json.encode(plan, order="deterministic")
