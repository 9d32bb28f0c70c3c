"""What the repository says of the code that runs: the commit, and what was changed since."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LONGEST = 64_000
"""Characters of a diff that are kept; the code as it ran is in the bundle, whole."""
_CODE = ("*.py", "outlast.toml", "RUNBOOK.md", "requirements*.txt", "pyproject.toml", "*.sql")
_NEVER = ("*secret*", "*credential*", ".env*")
_LOGIN = re.compile(r"(?<=://)[^/\s'\"@]*@")
_SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|api_?key|credential)\w*[\"']?\s*[:=]\s*)([\"'])(?:(?!\2).)+\2"
)


def committed(folder: Path, packages: Sequence[Path] = ()) -> dict[str, Any]:
    """The commit, the files that are not as committed, and how the code differs; nothing where there is no repository.

    The difference is of code, contract and runbook, not of data; what looks like a secret is left out of it.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "changed": None}
    changed = _git(folder, "status", "--porcelain", "--", ".") or ""
    diff = "".join(_difference(place) for place in (folder, *packages))
    kept = diff if len(diff) <= LONGEST else f"{diff[:LONGEST]}\n… {len(diff) - LONGEST:,} more characters"
    return {"commit": commit, "changed": changed.splitlines(), "diff": kept}


def _difference(folder: Path) -> str:
    paths = [f":(glob)**/{name}" for name in _CODE] + [f":(exclude,icase,glob)**/{name}" for name in _NEVER]
    found = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--", *paths)
    return _SECRET.sub(r"\1\2…\2", _LOGIN.sub("…@", f"{found}\n")) if found else ""


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").rstrip() if done.returncode == 0 else None
