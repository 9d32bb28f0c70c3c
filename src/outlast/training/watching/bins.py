"""Bins that outlast a version: a feature that computes what it did keeps the bins it had."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from outlast.data.profile import ABOVE, BELOW, OTHER, UNSEEN, Bins, recounted
from outlast.registry.bins import Frozen, Origin

_OUTSIDE = 0.05
"""Bins are made anew when more of the new reference lies outside of the old one's range, or in words unknown to it."""
_COARSE = 0.5
"""And when they tell less than this share of the values apart that bins of its own would."""


def kept_on(
    own: list[Bins], frozen: Frozen, digests: Mapping[str, str], rows: pl.DataFrame
) -> tuple[list[Bins], dict[str, Origin]]:
    """The bins to count with, and whose they are where they are not those that these rows would have given."""
    found: list[Bins] = []
    origins: dict[str, Origin] = {}
    for bins in own:
        digest = digests.get(bins.name, "")
        old = frozen.bins.get(digest)
        counted = None if old is None or old.kind != bins.kind else recounted(old, bins.name, rows[bins.name])
        if counted is None or _same(counted, bins) or not _fits(counted, bins):
            found.append(bins)
            continue
        found.append(counted)
        origins[bins.name] = frozen.origins[digest]
    return found, origins


def lineage_of_bins(origins: Mapping[str, Origin]) -> dict[str, Any]:
    """What a version's lineage says of bins that it took."""
    if not origins:
        return {}
    names = {origin: [name for name, one in origins.items() if one == origin] for origin in origins.values()}
    said = [{"version": one.version, "bundle": one.bundle, "features": names[one]} for one in sorted(names)]
    return {"bins": said}


def _same(one: Bins, other: Bins) -> bool:
    return one.edges == other.edges and one.categories == other.categories and one.complete == other.complete


def _fits(old: Bins, own: Bins) -> bool:
    counts = np.asarray(old.counts, np.float64)
    outside = counts[[BELOW, ABOVE, UNSEEN]].sum()
    if old.kind == "category":
        outside += max(0.0, counts[OTHER] - own.counts[OTHER])
    return bool(outside <= _OUTSIDE * counts.sum() and _apart(counts) >= _COARSE * _apart(np.asarray(own.counts)))


def _apart(counts: Any) -> float:
    """Into how many equally full cells the rows could fall and be told apart as well."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(np.exp(-(shares * np.log(shares)).sum()))
