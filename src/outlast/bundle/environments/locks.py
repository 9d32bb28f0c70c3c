"""Environments written down: a Python, the version of every package, and the build of Outlast."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from outlast.bundle.build import own_build
from outlast.bundle.format import Bundle
from outlast.bundle.machine import environment
from outlast.errors import NotFound, SettingsError
from outlast.project.workspace import Workspace
from outlast.types import digest_of

OWN = "outlast"
_ALIKE = 0.85
"""How alike a name that is not in an environment is to one that is, so that it is taken for misspelt."""


@dataclass(frozen=True)
class Lock:
    """An environment that can be made again."""

    python: str
    packages: Mapping[str, str]
    wheel: str
    """The file name of Outlast's wheel."""
    build: bytes

    @cached_property
    def digest(self) -> str:
        return digest_of([self.python, dict(self.packages), digest_of(self.build)])

    @property
    def requirements(self) -> str:
        """Every package but Outlast, one a line."""
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))


def lock_here() -> Lock:
    """The environment of this process."""
    name, wheel = own_build()
    return Lock(platform.python_version(), _packages(environment()), name, wheel)


def kept_lock(workspace: Workspace, bundle: Bundle, lineage: Mapping[str, Any]) -> tuple[Lock, bool]:
    """The environment a version was made in, and whether this Outlast stands in for one that was not kept."""
    packages = _packages(bundle.files["environment.txt"].decode())
    build = lineage.get("builds", {}).get(OWN)
    try:
        wheel = None if build is None else (build["file"], workspace.artifacts.get(build["artifact"]))
    except NotFound:
        wheel = None
    name, content = wheel or own_build()
    return Lock(lineage["python"], packages, name, content), wheel is None


def changed_lock(kept: Lock, file: Path, of: str) -> Lock:
    """The kept environment with the versions that a requirements file pins."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise SettingsError(
            f"--environment {file} cannot be read ({error.strerror}): give 'here', or a file of lines such as "
            "scikit-learn==1.7.2"
        ) from error
    pinned = dict(found for line in lines if (found := _pinned(line)) is not None)
    if not pinned:
        raise SettingsError(f"--environment {file} pins no version: expected lines such as scikit-learn==1.7.2")
    pinned.pop(OWN, None)
    for name in pinned.keys() - kept.packages.keys():  # others may be there too, as in another machine's whole lock
        meant = get_close_matches(name, kept.packages.keys() - pinned.keys(), n=1, cutoff=_ALIKE)
        if meant:
            raise SettingsError(
                f"--environment {file} pins '{name}', which is no package of {of}'s environment: "
                f"did you mean '{meant[0]}'?"
            )
    return Lock(kept.python, {**kept.packages, **pinned}, kept.wheel, kept.build)


def differences(kept: Lock, other: Lock) -> list[str]:
    """How one environment differs from another, in words."""
    said = [] if kept.python == other.python else [f"Python {other.python} instead of {kept.python}"]
    for name in sorted(kept.packages.keys() | other.packages.keys()):
        before, now = kept.packages.get(name), other.packages.get(name)
        if before != now:
            said.append(f"{name} {now or 'missing'} instead of {before or 'none'}")
    return said if kept.build == other.build else [*said, "another build of Outlast"]


def _packages(text: str) -> dict[str, str]:
    found = dict(line.strip().partition("==")[::2] for line in text.splitlines() if line.strip())
    found.pop(OWN, None)
    return found


def _pinned(line: str) -> tuple[str, str] | None:
    """The package and version that a line pins for this machine, if it does."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    text = line.partition(" --hash")[0].partition(" #")[0].rstrip("\\ ").strip()
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return None
    exact = [one.version for one in wanted.specifier if one.operator in ("==", "===")]
    if not exact or (wanted.marker is not None and not wanted.marker.evaluate()):
        return None
    return canonicalize_name(wanted.name), exact[0]
