"""What each feature added to an answer, on a screen."""

from typing import Any

from outlast.cli import screen
from outlast.types import Explanation, counted

_SHOWN = 12


def lines_of(explanation: Explanation | None, unexplained: str | None) -> list[str]:
    """The parts of an answer, the largest first, or why there are none."""
    found = explanation
    if found is None:
        return [unexplained or "No contributions"]
    of = "" if found.of is None else f" of {found.of}"
    rows = counted(found.reference_rows, "training row")
    parts = [(one.field, _value(one.value), one.by) for one in found.contributions[:_SHOWN]]
    rest = found.contributions[_SHOWN:]
    if rest:
        parts.append((f"{len(rest)} others", "", sum(one.by for one in rest)))
    wide = max(len(name) for name, _, _ in parts), max(len(value) for _, value, _ in parts)
    base = f"{found.base:+.4f}  on average of {rows}, score {found.base_score:.4f}"
    return [
        f"{found.unit}{of}",
        f"  {'':<{wide[0]}}  {'':<{wide[1]}}  {base}",
        *(f"  {name:<{wide[0]}}  {value:<{wide[1]}}  {by:+.4f}" for name, value, by in parts),
        f"  {'':<{wide[0]}}  {'':<{wide[1]}}  {found.margin:+.4f}  score {found.score:.4f}",
    ]


def _value(value: Any) -> str:
    said = screen.number(value) if isinstance(value, float) else "nothing" if value is None else str(value)
    return said if len(said) <= 20 else f"{said[:19]}…"
