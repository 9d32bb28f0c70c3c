"""Where a version was made, and whether this is such a place: only there are equal bits promised."""

import os
import platform
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from outlast.types import digest_of

_SAID = re.compile(r"^(name|version):(.*)$", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=1)
def environment() -> str:
    """Every installed distribution, one requirement a line."""
    found = dict(named for named in map(_named, distributions()) if named)
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def _named(one: Distribution) -> tuple[str, str] | None:
    """A distribution's name and version; parsing all it says of itself takes each process a quarter of a second."""
    text = one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("") or ""
    said = {word.lower(): value.strip() for word, value in _SAID.findall(text.partition("\n\n")[0])}
    return (said["name"].lower().replace("_", "-"), said["version"]) if said.get("name") else None


def processor() -> str:
    """The kind of CPU, by its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def memory() -> int | None:
    """Bytes of memory that this machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def here() -> Mapping[str, str]:
    """This environment by its digest, and this kind of CPU."""
    whole = f"{platform.python_version()}\n{environment()}"
    return {"environment": digest_of(whole.encode()), "processor": processor() or platform.machine()}


def made_here(manifest: Mapping[str, Any]) -> bool:
    """Whether a version was made in this environment on this kind of CPU; an older one does not say."""
    return bool(manifest.get("made") == here())
