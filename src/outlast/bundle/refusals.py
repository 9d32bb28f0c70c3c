"""A row that got no answer, in the words of one: rung `refused`, no decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.requests import kind_of

_LONGEST = 200
"""Characters of a text that are kept of a field: what was refused may be anything."""


def refusal(row: Any, names: Sequence[str], id: str, key: str | None, *, at: int, reason: str) -> Answer:
    """The refused row as it is kept, with these of its fields."""
    given = row if isinstance(row, Mapping) else {}
    return Answer(
        prediction_id=id,
        key=key,
        at=at,
        decide_at=at,
        asks={name: _plain(given[name]) for name in names if name in given},
        features={},
        score=None,
        scores=None,
        decision=None,
        rung="refused",
        reasons=[reason],
        warnings=[],
        cells=b"",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST].encode("utf-8", "replace").decode()
    whole = isinstance(value, int) and abs(value) < 2**63
    return value if value is None or whole or isinstance(value, float) else kind_of(value)
