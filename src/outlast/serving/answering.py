"""From a request's rows to its answers, whatever protocol brought them."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.errors import RequestError
from outlast.serving.parts import Parts

MOST = 10_000
LARGEST = 8 * 1024 * 1024
"""Bytes of a request."""
INLINE = 64
"""Rows a request may have to be answered between two others; more are answered in a thread."""


async def answers_for(
    parts: Parts, predictor: Predictor, rows: Sequence[Any], name: str, *, within: float | None = None
) -> list[Answer]:
    """The answers for rows, in the journal before they are given; `within` is how many seconds the caller waits."""
    check_rows(rows, predictor)
    if len(rows) <= INLINE and not predictor.apart:
        return await parts.together.answers(predictor, rows, name, within=within)
    until = None if within is None else perf_counter() + within
    return await parts.aside(lambda: parts.together.apart(predictor, rows, name, until=until))


def check_rows(rows: Sequence[Any], predictor: Predictor) -> None:
    """Refuse no rows, too many, and two rows about the same thing."""
    if not rows:
        raise RequestError("The request has no rows: send at least one")
    if len(rows) > MOST:
        raise RequestError(f"The request has {len(rows)} rows, more than {MOST}: send it in parts")
    if not predictor.key or len(rows) == 1:
        return
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or any(row.get(name) is None for name in predictor.key):
            continue
        key = repr([row[name] for name in predictor.key])
        first = seen.setdefault(key, index)
        if first != index:
            names = ", ".join(f"'{name}'" for name in predictor.key)
            raise RequestError(
                f"Row {index} has the same {names} as row {first}: send each question once",
                details={"row": index, "field": predictor.key[0]},
            )
