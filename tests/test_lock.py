"""requirements.lock pins everything, by hash, and says nothing of where packages come from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LEFT_OUT = {
    "s3": "only reached through a real object store, which the suite does not have",
    "gcs": "only reached through a real object store, which the suite does not have",
}


def declared() -> list[str]:
    """Every requirement that pyproject.toml names, those of the build and of left-out extras aside."""
    extras = PROJECT["project"]["optional-dependencies"]
    chosen = [line for name, lines in extras.items() if name not in LEFT_OUT for line in lines]
    return [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"], *chosen]


def pins() -> dict[str, set[Version]]:
    """The versions that the lock holds per package: more than one where Pythons differ."""
    found: dict[str, set[Version]] = {}
    for line in re.findall(r"^[a-z0-9].*$", LOCK, flags=re.MULTILINE):
        name, version = re.match(r"([a-z0-9._-]+)==([^ ;]+)", line).groups()  # type: ignore[union-attr]
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


@pytest.mark.parametrize("line", declared())
def test_what_pyproject_declares_is_pinned_within_its_bounds(line: str) -> None:
    requirement = Requirement(line)
    versions = pins().get(canonicalize_name(requirement.name), set())
    assert versions, f"{line} is not in requirements.lock: run make lock"
    assert all(version in requirement.specifier for version in versions), f"{versions} do not fit {line}: run make lock"


def test_the_build_backend_is_pinned_because_the_package_installs_without_isolation() -> None:
    assert {"hatchling", "editables", "uv"} <= pins().keys()


def test_every_left_out_extra_exists() -> None:
    assert LEFT_OUT.keys() <= PROJECT["project"]["optional-dependencies"].keys()


def test_every_pin_has_a_hash() -> None:
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 50
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_host_no_path_and_no_option() -> None:
    strange = [
        line
        for line in LOCK.splitlines()
        if not re.fullmatch(r"#.*|[a-z0-9][^/@]*|    --hash=sha256:[0-9a-f]{64}( \\)?", line)
    ]
    assert strange == []
    assert [line for line in LOCK.splitlines() if line.startswith("#") and "/" in line] == []
