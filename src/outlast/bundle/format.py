"""The format of a version on disk: one zip whose bytes are its identity.

    manifest.json        what it is: schema, lookups, classes, threshold; the digest of every other file
    contract.json        the contract as it was
    code/                every Python file of the project and its shared packages
    model/native.pkl     what `fit` returned
    model/compiled.json  the same as steps and weights, where that answers equally
    model/trees.onnx     its trees
    model/simpler.pkl    the ladder's simpler model, if any, which looks nothing up; .json and .onnx likewise
    profile.json         the reference's frozen bins and counts
    past.msgpack         the reference by the hour, the scale of its loss, where it loses most, and a sample of it
    reference.json       rows of training that explanations compare with, if a model is compiled
    golden.json          example requests with the facts they read, their features and answers
    environment.txt      every installed distribution
    lineage.json         commit, sources, seed, threads, hardware
    summary.json         the evaluation

Nothing in it depends on when it was written, so equal trainings on one machine have equal digests.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from outlast.errors import StorageError
from outlast.project.contract import Contract
from outlast.project.loader import Code
from outlast.project.workspace import Workspace
from outlast.types import FORMAT, digest_of

MANIFEST = "manifest.json"
NATIVE = "model/native.pkl"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_RESTORE = "restore it from a backup, or train again"
_SMALL = 4_000_000
"""Bytes up to which a bundle may stay in memory beside whoever uses it."""
# What zipfile raises on damage, whichever byte it meets: a wrong sum, method, flag, length, name or offset.
_NOT_A_ZIP = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, struct.error, ValueError, OSError,
    OverflowError, LookupError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bundle:
    """The files of a version, read and verified, nothing executed."""

    digest: str
    manifest: dict[str, Any]
    files: Mapping[str, bytes]

    def json(self, name: str) -> Any:
        """A file of the bundle, decoded."""
        return msgspec.json.decode(self.files[name])

    @cached_property
    def contract(self) -> Contract:
        return Contract.model_validate(self.json("contract.json"))

    @cached_property
    def code(self) -> Code:
        """The project's code as it ran in training."""
        files = {n.removeprefix("code/"): content for n, content in self.files.items() if n.startswith("code/")}
        return Code(files, Path(f"<bundle {self.digest[:12]}>"))


def pack(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """The bytes of a bundle: the manifest first, then every file in order of name."""
    digests = {name: digest_of(content) for name, content in sorted(files.items())}
    whole = {"format": FORMAT, **manifest, "files": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in [(MANIFEST, encode(whole)), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # else it names the operating system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def unpack(data: bytes, name: str = "bundle") -> Bundle:
    """Read a bundle and check every file against its manifest."""
    files = _entries(data, name)
    manifest = _manifest(files, name)
    expected: dict[str, str] = manifest["files"]
    odd = [n for n, digest in expected.items() if digest_of(files.get(n, b"")) != digest]
    odd += sorted(files.keys() - expected.keys())
    if odd:
        raise StorageError(
            f"{name} was changed after it was written, '{odd[0]}' does not match its manifest: {_RESTORE}"
        )
    return Bundle(digest_of(data), manifest, files)


def open_bundle(workspace: Workspace, digest: str) -> Bundle:
    """A version's files, verified, nothing executed."""
    data, name = workspace.artifacts.get(digest), f"Bundle {digest[:12]}"
    return _unpacked(data, name) if len(data) <= _SMALL else unpack(data, name)


@lru_cache(maxsize=4)
def _unpacked(data: bytes, name: str) -> Bundle:
    """The last small ones: a tick asks for the same bundle ten times."""
    return unpack(data, name)


def _entries(data: bytes, name: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            files = {entry: archive.read(entry) for entry in names}
    except _NOT_A_ZIP as error:
        raise StorageError(f"{name} is not a bundle ({error}): {_RESTORE}") from error
    if len(files) != len(names):
        raise StorageError(f"{name} was changed after it was written, it has a file twice: {_RESTORE}")
    return files


def _manifest(files: dict[str, bytes], name: str) -> dict[str, Any]:
    """The manifest, taken out of the files; only its format number is read before that is known to be ours."""
    try:
        manifest = msgspec.json.decode(files.pop(MANIFEST), type=dict[str, Any])
        kept = msgspec.convert(manifest.get("format"), int)
        if kept <= FORMAT:
            msgspec.convert(manifest.get("files"), dict[str, str])
    except KeyError:
        raise StorageError(f"{name} is not a bundle (it has no {MANIFEST}): {_RESTORE}") from None
    except msgspec.MsgspecError as error:
        raise StorageError(f"{name} is not a bundle ({MANIFEST}: {error}): {_RESTORE}") from error
    if kept > FORMAT:
        raise StorageError(f"{name} has format {kept}, newer than this release reads ({FORMAT}): upgrade outlast")
    return manifest


def in_order(value: Any) -> bytes:
    """JSON in the order it was written: of payoffs, the first decision acts and the last does nothing."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


def encode(value: Any) -> bytes:
    """JSON in the one order that makes equal contents equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1)
