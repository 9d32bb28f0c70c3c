"""Taking a version that was trained elsewhere: its names, its bundle's bytes, and what is said of it."""

from collections.abc import Mapping

from outlast.bundle.format import Bundle, open_bundle
from outlast.control.acting import Acting, Do
from outlast.control.operations import BINS, CLAIM, REGISTER, SCHEMAS
from outlast.control.shapes import About, Claiming, Registering
from outlast.data.schema import to_json
from outlast.errors import Refused, RequestError, nearest
from outlast.journal.sources import schemas_before
from outlast.project.declare import require_name
from outlast.registry.background import mirror_later
from outlast.registry.bins import Frozen, frozen_bins
from outlast.registry.versions import Version, register
from outlast.training.keeping import claim

_KINDS = {"model": "Model", "source": "Source", "set": "Features"}
_LATER = {"timings", "cost"}
"""What is known of a run only once its bundle is packed."""


def _claim(acting: Acting, asked: Claiming) -> dict[str, int]:
    model = asked.ref.name
    require_name("Model", model)
    for kind, name, declared in asked.claims:
        if kind not in _KINDS:
            raise RequestError(f"'{kind[:40]}' cannot be claimed for {model}: {nearest(kind, _KINDS)}")
        require_name(_KINDS[kind], name)
        if kind == "model" and name != model:
            raise RequestError(f"A run of {model} claims the name of model '{name[:80]}': expected its own")
        claim(acting.workspace, model, (kind, name, declared), folders=asked.folders, by=acting.by, at=acting.at)
    return {"claimed": len(asked.claims)}


def _schemas(acting: Acting, about: About) -> dict[str, str]:
    found = schemas_before(acting.workspace, about.ref.name)
    return {source: to_json(schema).decode() for source, schema in found.items()}


def _bins(acting: Acting, about: About) -> Frozen:
    return frozen_bins(acting.workspace, about.ref.name)


def _register(acting: Acting, asked: Registering) -> Version:
    """Register what the bundle itself says; what came beside it may not say otherwise."""
    model, workspace = asked.ref.name, acting.workspace
    require_name("Model", model)
    bundle = open_bundle(workspace, asked.digest)
    if bundle.manifest["model"] != model:
        raise RequestError(f"Bundle {asked.digest[:12]} holds model '{bundle.manifest['model']}', not '{model}'")
    _same(bundle, asked)
    made = register(
        workspace.ledger, model, digest=asked.digest, code_digest=bundle.manifest["code_digest"],
        task=bundle.manifest["task"], summary=asked.summary, lineage=asked.lineage, by=acting.by, at=acting.at,
    )  # fmt: skip
    mirror_later(workspace, model)
    return made


def _same(bundle: Bundle, asked: Registering) -> None:
    said = {name: value for name, value in asked.summary.items() if name not in _LATER}
    for what, here, there in (
        ("summary", said, bundle.json("summary.json")),
        ("lineage", asked.lineage, bundle.json("lineage.json")),
    ):
        if here != there:
            raise Refused(
                f"The {what} sent for {asked.ref.name} is not the one in its bundle {asked.digest[:12]}: train again"
            )


DO: Mapping[str, Do] = {CLAIM.name: _claim, SCHEMAS.name: _schemas, BINS.name: _bins, REGISTER.name: _register}
