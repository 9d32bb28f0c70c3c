"""What became of the values of a key; apart from what erases them, so that a command can read it quickly."""

from dataclasses import dataclass, field

STAYS = (
    "the files and tables that the sources are read from",
    "training snapshots, and golden rows in bundles: train anew and retire the versions that saw it",
    "fresh values, until a tick finds that nothing can need them",
    "backups, and copies that other tools made",
)
"""Where values of a key may be that the journal does not hold."""


@dataclass(frozen=True)
class Erased:
    """How many rows of which table were, or would be, rid of a key; and how many files still being written hold it."""

    model: str
    done: bool
    rows: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    stays: tuple[str, ...] = STAYS
