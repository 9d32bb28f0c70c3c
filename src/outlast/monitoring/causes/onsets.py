"""What moved first: streams in the order in which their evidence began."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["feed", "quality", "feature", "score", "calibration", "loss"]

SLACK = timedelta(hours=6)
"""An onset is a guess: one so much after the harm's may still have been before it."""
_HARM = ("calibration", "loss")
_FIRST = {"feed": 0, "quality": 0, "feature": 1, "score": 2, "calibration": 3, "loss": 3}


@dataclass(frozen=True)
class Onset:
    """When the evidence of one stream began, and how strong it has become (the logarithm of its bets' gain)."""

    stream: str
    kind: Kind
    since: datetime
    strength: float = 0.0


def ranked(onsets: Iterable[Onset], harm: datetime | None = None, slack: timedelta = SLACK) -> list[Onset]:
    """Streams that may have led to the harm: those that began before it, hard faults of data first, then by onset.

    Streams that tell of the harm itself lead to nothing and are left out; so is what began after it. Of equal
    onsets the stronger comes first.
    """
    may = [one for one in onsets if one.kind not in _HARM and (harm is None or one.since <= harm + slack)]
    return sorted(may, key=lambda one: (_FIRST[one.kind], one.since, -one.strength, one.stream))
