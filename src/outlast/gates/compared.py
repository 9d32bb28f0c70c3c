"""What a comparison of two versions says: a plain record, which loads nothing of what finds it."""

from dataclasses import dataclass
from typing import Any

from outlast.registry.versions import Version

Plain = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Compared:
    """The newer against the older; `figures` are empty and `why` says so where they cannot be asked the same rows."""

    older: Version
    newer: Version
    figures: list[Plain]
    slices: list[Plain]
    rows: Plain
    why: str | None
    changed: Plain

    def plain(self) -> Plain:
        """As JSON has it."""
        told = {"figures": self.figures, "slices": self.slices, "rows": self.rows, "why": self.why}
        return {"older": str(self.older), "newer": str(self.newer), **told, "changed": self.changed}
