"""The format of a version on disk: one zip whose bytes are its identity.

    manifest.json      what it is: schema, lookups, classes, threshold; the digest of every other file
    contract.json      the contract as it was
    code/              every Python file of the project and its shared packages
    model/native.pkl   what `fit` returned
    profile.json       the reference's frozen bins and counts
    golden.json        example requests with their features and answers
    environment.txt    every installed distribution
    lineage.json       commit, sources, seed, threads, hardware
    summary.json       the evaluation

Nothing in it depends on when or where it was written, so equal trainings have equal digests.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from outlast.errors import StorageError
from outlast.project.contract import Contract
from outlast.project.loader import Code
from outlast.types import FORMAT, digest_of

MANIFEST = "manifest.json"
NATIVE = "model/native.pkl"
_EPOCH = (1980, 1, 1, 0, 0, 0)


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
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def unpack(data: bytes, name: str = "bundle") -> Bundle:
    """Read a bundle and check every file against its manifest."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {entry: archive.read(entry) for entry in archive.namelist()}
        manifest = msgspec.json.decode(files.pop(MANIFEST))
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError, ValueError) as error:
        raise StorageError(f"{name} is not a bundle ({error}): restore it from a backup, or train again") from error
    if manifest.get("format", 0) > FORMAT:
        raise StorageError(
            f"{name} has format {manifest['format']}, newer than this release reads ({FORMAT}): upgrade outlast"
        )
    broken = [n for n, expected in manifest["files"].items() if digest_of(files.get(n, b"")) != expected]
    if broken or set(files) != set(manifest["files"]):
        odd = broken or sorted(set(files) ^ set(manifest["files"]))
        raise StorageError(f"{name} was changed after it was written: '{odd[0]}' does not match its manifest")
    return Bundle(digest_of(data), manifest, files)


def encode(value: Any) -> bytes:
    """JSON in the one order that makes equal contents equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1)
