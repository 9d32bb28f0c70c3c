"""Which of the data a run takes where not a person but the loop decides: up to when, how far back, old rows rarer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from outlast.project.contract import WindowSection
from outlast.types import FORMAT, duration, span, utc


@dataclass(frozen=True)
class Period:
    """Questions before a moment, and what was known by then; this goes before `until` and `holdout` of the contract.

    With `since`, only questions from then on. With `half_life`, a row trains with a chance that halves each time.
    """

    until: datetime
    since: datetime | None = None
    half_life: timedelta | None = None
    holdout: float | None = None

    @classmethod
    def of(cls, window: WindowSection, until: datetime) -> "Period":
        """The period that a contract's window means at a moment."""
        since = None if window.length is None else utc(until) - duration(window.length)
        half_life = None if window.half_life is None else duration(window.half_life)
        return cls(utc(until), since, half_life, window.holdout)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Period":
        since, half_life = kept["since"], kept["half_life"]
        return cls(
            datetime.fromisoformat(kept["until"]),
            None if since is None else datetime.fromisoformat(since),
            None if half_life is None else duration(half_life),
            kept["holdout"],
        )

    def to_json(self) -> dict[str, Any]:
        """As a version's lineage keeps it."""
        return {
            "format": FORMAT,
            "until": self.until.isoformat(),
            "since": None if self.since is None else self.since.isoformat(),
            "half_life": None if self.half_life is None else span(self.half_life),
            "holdout": self.holdout,
        }
