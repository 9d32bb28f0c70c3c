"""Rows in words: what the cells of a feature hold."""

from collections.abc import Sequence

from outlast.data.profile import ABOVE, BELOW, MISSING, OTHER, UNSEEN, Bins

_SHOWN = 4
_SPECIAL = {MISSING: "missing", BELOW: "below the range of training", ABOVE: "above the range of training",
            UNSEEN: "never seen in training"}  # fmt: skip


def rows_where(bins: Bins, cells: Sequence[int]) -> str:
    """The rows whose value lies in some cells of a feature.

    >>> rows_where(Bins("fee", "number", edges=[0.0, 1.0, 2.5, 9.0]), [0, 1, 16])
    'fee is from 0 to 2.5 or missing'
    >>> rows_where(Bins("shop", "category", categories=["north", "south"]), [1])
    "shop is 'south'"
    """
    plain = [cell for cell in cells if cell not in _SPECIAL]
    special = [_SPECIAL[cell] for cell in cells if cell in _SPECIAL and _can(bins, cell, beside=bool(plain))]
    said = _ranges(bins, plain) if bins.kind == "number" else _names(bins, plain)
    if len(said) > _SHOWN:
        said = [*said[:_SHOWN], f"{len(said) - _SHOWN} more"]
    return f"{bins.name} is {' or '.join([*said, *special]) or 'anything else'}"


def _can(bins: Bins, cell: int, *, beside: bool) -> bool:
    """Whether a cell says anything of a feature that is worth a word; beside others, one that the reference filled."""
    there = not beside or not bins.counts or bins.counts[cell] > 0
    return there and (bins.kind == "number" or cell not in (BELOW, ABOVE))


def _ranges(bins: Bins, cells: Sequence[int]) -> list[str]:
    found: list[tuple[float, float]] = []
    last = -2
    for cell in sorted(cells):
        if cell + 1 >= len(bins.edges):
            continue
        low, high = bins.edges[cell], bins.edges[cell + 1]
        if cell == last + 1 and found:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
        last = cell
    return [f"{low:.4g}" if low == high else f"from {low:.4g} to {high:.4g}" for low, high in found]


def _names(bins: Bins, cells: Sequence[int]) -> list[str]:
    words = [f"'{bins.categories[cell]}'" for cell in cells if cell < min(len(bins.categories), OTHER)]
    rare = OTHER in cells and (len(bins.categories) > OTHER or not bins.complete)
    return [*words, *(["a rarer value"] if rare else [])]
