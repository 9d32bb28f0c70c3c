"""The rows of training that a version's explanations compare with, as its bundle keeps them."""

from typing import Any

import msgspec

from outlast.types import FORMAT

REFERENCE = "reference.json"
ROWS = 100


class Reference(msgspec.Struct, frozen=True):
    """Rows in an order drawn at random, so that the first of them are as good a sample as any."""

    names: list[str]
    rows: list[list[Any]]
    format: int = FORMAT
