"""An answer taken apart: where the model starts from, and what each feature moved it by."""

from typing import Any

import msgspec


class Contribution(msgspec.Struct, frozen=True):
    """A feature, the value it had, and what that added."""

    field: str
    value: Any
    by: float


class Explanation(msgspec.Struct, frozen=True):
    """`base` and what all contributions add make `margin`, from which the model's link makes the score."""

    of: str | None
    """The outcome whose score it is; None of a regression."""
    unit: str
    base: float
    """The mean of the margins of the reference rows."""
    base_score: float
    """The score of an answer to which nothing added anything."""
    margin: float
    score: float
    contributions: list[Contribution]
    """The largest first."""
    reference_rows: int
    """Rows of training that stand for a feature's absence."""
