"""The bins that a model's next version keeps on with, so that the cells of successive versions add up."""

import msgspec

from outlast.bundle.format import open_bundle
from outlast.data.profile import Bins, from_json
from outlast.errors import NotFound
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version, find
from outlast.types import ModelRef


class Origin(msgspec.Struct, frozen=True, order=True):
    """The version whose own rows bins were made from."""

    version: int
    bundle: str


class Frozen(msgspec.Struct, frozen=True):
    """Bins and where they come from, by the digest of their feature."""

    bins: dict[str, Bins] = {}
    origins: dict[str, Origin] = {}


def frozen_bins(workspace: Workspace, model: str) -> Frozen:
    """The bins of the live version, or else of the newest; none before the first training."""
    for which in ("live", "latest"):
        try:
            version = find(workspace.ledger, ModelRef(model, which))
        except NotFound:
            continue
        return _bins(workspace, version)
    return Frozen()


def _bins(workspace: Workspace, version: Version) -> Frozen:
    bundle = open_bundle(workspace, version.digest)
    digests: dict[str, str] = bundle.manifest.get("feature_digests", {})
    known = {digests[one.name]: one for one in from_json(bundle.files["profile.json"]).features if one.name in digests}
    own = Origin(version.number, version.digest)
    taken = origins_of(version)
    return Frozen(known, {digests[one.name]: taken.get(one.name, own) for one in known.values()})


def origins_of(version: Version) -> dict[str, Origin]:
    """Whose bins a version took, by feature; features with bins of its own are not named."""
    kept = version.lineage.get("bins", [])
    return {name: Origin(one["version"], one["bundle"]) for one in kept for name in one["features"]}
