"""Versions whose code does harm: a trained bundle with another model.py in it, registered as the next version."""

import json

from outlast.bundle.format import MANIFEST, NATIVE, pack
from outlast.bundle.predictor import open_bundle
from outlast.project.loader import Code
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.versions import find, register
from outlast.types import ModelRef, now

FAULTS = {
    "exits": "\nimport os\nLine.predict_proba = lambda self, x: os._exit(7)\n",
    "raises": "\nraise RuntimeError('the licence ran out')\n",
    "crashes": "\nimport ctypes\nLine.predict_proba = lambda self, x: ctypes.string_at(0)\n",
    "hangs": "\nimport time\nwhile True:\n    time.sleep(3600)\n",
    "eats": "\nimport numpy\nkept = [numpy.empty(1 << 30, dtype='u1') for _ in range(1 << 20)]\n",
    "lies": "\nLine.predict_proba = lambda self, x: np.full((len(x), 2), 0.5)\n",
}
MORE = "\nimport oddities\nLine.predict_proba = oddities.wrapped(Line.predict_proba)\n"
"""What imports a module that is not installed here."""


def changed(
    workspace: Workspace, more: str, *, of: str = "late@1", environment: str = "", python: str | None = None
) -> tuple[str, int]:
    """The version again with more code at the end of model.py: its digest and number. Nothing of it is executed."""
    kept = find(workspace.ledger, ModelRef.parse(of))
    bundle = open_bundle(workspace, kept.digest)
    files = dict(bundle.files)
    files["code/model.py"] += more.encode()
    files["environment.txt"] += environment.encode()
    if python is not None:
        files["lineage.json"] = json.dumps({**bundle.json("lineage.json"), "python": python}).encode()
    code = Code({name[5:]: content for name, content in files.items() if name.startswith("code/")}, bundle.code.origin)
    files[NATIVE] = files[NATIVE].replace(bundle.code.package.encode(), code.package.encode())
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    if environment:
        manifest["made"] = {"environment": "another", "processor": "another"}
    assert MANIFEST not in files
    digest = workspace.artifacts.put(pack(manifest, files))
    number = add(workspace, kept.model, digest)
    return digest, number


def add(workspace: Workspace, model: str, digest: str) -> int:
    """Register bytes as the next version of a model, with a verdict that lets it out."""
    made = register(workspace.ledger, model, digest=digest, code_digest=None, task="binary", summary={}, lineage={},
                    by="ada", at=now())  # fmt: skip
    with workspace.ledger.write() as connection:
        verdicts.write(connection, model, made.number, now(), [])
    return made.number
