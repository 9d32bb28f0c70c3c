"""Whose bins a version counts its features in, and whether they can still be had from there."""

from typing import Any

from outlast.bundle.format import open_bundle
from outlast.data.profile import Profile, from_json
from outlast.project.workspace import Workspace
from outlast.registry.bins import origins_of
from outlast.registry.versions import Version
from outlast.types import counted


def bins_taken(workspace: Workspace, version: Version) -> list[dict[str, Any]]:
    """The versions whose bins this one took, and whether each still has the same."""
    origins = origins_of(version)
    if not origins:
        return []
    ours = _edges(_profile(workspace, version.digest))
    found = []
    for origin in sorted(set(origins.values())):
        names = [name for name, one in origins.items() if one == origin]
        had = workspace.artifacts.exists(origin.bundle) and _same(ours, _profile(workspace, origin.bundle), names)
        found.append({"version": origin.version, "bundle": origin.bundle, "features": names, "had": had})
    return found


def said_of_bins(taken: list[dict[str, Any]], model: str) -> str:
    """What a sentence adds where bins cannot be had from where they came; nothing where they can."""
    gone = [one for one in taken if not one["had"]]
    if not gone:
        return ""
    features = counted(sum(len(one["features"]) for one in gone), "feature")
    names = ", ".join(f"{model}@{one['version']}" for one in gone)
    return f"; the bins of {features} came from {names}, where they are no more: those in its own bundle stand in"


def _profile(workspace: Workspace, digest: str) -> Profile:
    return from_json(open_bundle(workspace, digest).files["profile.json"])


def _edges(profile: Profile) -> dict[str, Any]:
    return {one.name: (one.edges, one.categories, one.complete) for one in profile.features}


def _same(ours: dict[str, Any], theirs: Profile, names: list[str]) -> bool:
    """A feature may have another name there: its bins are looked for, not its name."""
    known = list(_edges(theirs).values())
    return all(ours[name] in known for name in names)
