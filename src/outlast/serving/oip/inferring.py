"""One inference: which version, which rows, which outputs; the answers come from where all answers come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.errors import NotFound
from outlast.serving.beside import Seat
from outlast.serving.choosing import given
from outlast.serving.explaining import Wanted
from outlast.serving.oip.asking import rows_from
from outlast.serving.oip.saying import chosen, explanations, tensors_of
from outlast.serving.oip.tensors import Tensor
from outlast.serving.parts import Parts


@dataclass(frozen=True)
class Asked:
    """An inference request, whatever transport brought it."""

    model: str
    version: str
    inputs: Sequence[Tensor]
    outputs: Sequence[str] | None
    """Their names; None stands for all."""
    within: float | None = None
    """How many seconds the caller waits."""
    explain: Wanted | None = None


@dataclass(frozen=True)
class Told:
    """What is answered."""

    model: str
    version: int
    advice: bool
    outputs: list[Tensor]
    again: bool = False
    """Whether it was answered before, under the same request id."""


def seat_of(parts: Parts, model: str, version: str) -> Seat:
    """The live version of a model, for one request; NotFound where another version was meant."""
    seat = parts.house.take(model)
    live = str(seat.predictor.version)
    if version not in ("", live):
        with seat:
            raise NotFound(f"Version '{version[:40]}' of {model} is not in service: expected {live}, or no version")
    return seat


async def infer(parts: Parts, asked: Asked, name: str) -> Told:
    """The outputs for a request, its answers in the journal before they are given."""
    seat = seat_of(parts, asked.model, asked.version)
    with seat as predictor:
        outputs = chosen(asked.outputs, predictor)
        rows = rows_from(asked.inputs, predictor)
        by = await given(parts, seat, rows, name, within=asked.within, explain=asked.explain)
        found = tensors_of(by.answers, by.predictor, outputs)
        if by.told is not None:
            found.append(explanations(by.told))
        return Told(by.predictor.model, by.predictor.version, by.advice, found, by.again)
