"""What the Predictor gives back for one row."""

from typing import Any, Literal

import msgspec

Rung = Literal["full", "simpler", "default", "refused"]


class Answer(msgspec.Struct, frozen=True):
    """One prediction: what was asked, what was computed from, what came out, and by which rung of the ladder."""

    prediction_id: str
    key: str | None
    at: int
    decide_at: int
    asks: dict[str, Any]
    features: dict[str, Any]
    score: float | None
    scores: dict[str, float] | None
    decision: str | float | None
    rung: Rung
    reasons: list[str]
    warnings: list[str]
    cells: bytes
    unsure: bool = False
    causes: tuple[str, ...] = ()
    """What led to a lower rung, each as `what:which`, for counting; the reasons say it to people."""
