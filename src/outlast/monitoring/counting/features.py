"""Counts of features over all versions that answered: a feature goes on being counted when a new version goes live.

Cells of two versions add where the feature computes the same and has the same bins. A version that does not say what
its features compute stands for itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from outlast.data.profile import Bins
from outlast.monitoring.counting.checks import Check
from outlast.monitoring.counting.counts import Ints
from outlast.monitoring.subject import Subject
from outlast.types import digest_of


@dataclass(frozen=True, order=True)
class Feature:
    """A feature: its name, a digest of what it computes, and one of its bins."""

    name: str
    digest: str
    bins: str


def features_of(subject: Subject) -> list[Feature]:
    """The features of a version, in the order of its profile."""
    own = f"version {subject.version}"
    return [
        Feature(bins.name, subject.digests.get(bins.name, own), bins_digest(bins)) for bins in subject.profile.features
    ]


def bins_digest(bins: Bins) -> str:
    """The same for bins that put every value into the same cell."""
    return digest_of([bins.kind, bins.edges, bins.categories, bins.complete])


def feature_increments(check: Check, subject: Callable[[int], Subject]) -> dict[Feature, Ints]:
    """[cell] of each feature: what arrived in a check, over all versions that answered."""
    found: dict[Feature, Ints] = {}
    for (version, slice), counts in sorted(check.increments.items()):
        if slice:
            continue
        for feature, cells in zip(features_of(subject(version)), counts.cells, strict=True):
            found[feature] = found[feature] + cells if feature in found else cells
    return found
