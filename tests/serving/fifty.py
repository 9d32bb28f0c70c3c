"""Many models quickly: one trained bundle under other names, each with code of its own, all live and proven."""

from pathlib import Path

from outlast.bundle.format import pack
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.versions import find, register
from outlast.serving.spare.proofs import Proofs
from outlast.types import ModelRef, now


def many(trained: Workspace, ref: str, folder: Path, count: int, *, proven: bool = True) -> Workspace:
    """A workspace in which so many models are live."""
    (folder / "workspace.toml").write_text('name = "many"\n')
    place, kept = Workspace.find(folder), find(trained.ledger, ModelRef.parse(ref))
    bundle = open_bundle(trained, kept.digest)
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    for index in range(count):
        name = f"model-{index:02}"
        digest = place.artifacts.put(pack({**manifest, "model": name}, bundle.files))
        register(place.ledger, name, digest=digest, code_digest=None, task=kept.task, summary={}, lineage={}, by="ada",
                 at=now())  # fmt: skip
        with place.ledger.write() as connection:
            verdict = verdicts.write(connection, name, 1, now(), [])
        transition(place.ledger, name, action="promote", to=1, by="ada", at=now(), verdict=verdict)
        if proven:
            Proofs(place).note(digest, at=now(), seconds=0.0, by="gate")
    return place
