"""What a user puts in the place of what was kept, and how that differs, in words."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from outlast.bundle.environments.locks import Lock, changed_lock, differences, lock_here
from outlast.errors import NotFound
from outlast.project.loader import Code, read_code
from outlast.project.workspace import Workspace
from outlast.registry.declarations import folder_of
from outlast.registry.versions import Version
from outlast.training.reproduce.inputs import Inputs, Kept, Part, kept_inputs
from outlast.training.reproduce.sources import rows_moved, today

HERE = "here"
_SHOWN = 3


@dataclass(frozen=True)
class Instead:
    """Another part here and there: a folder of code or 'here', 'here' or a file of pins, a seed, threads, the sources'
    rows of today, or all that another version was made from."""

    code: str | None = None
    environment: str | None = None
    seed: int | None = None
    threads: int | None = None
    sources: bool = False
    version: Version | None = None


def with_changes(workspace: Workspace, kept: Kept, instead: Instead) -> Inputs:
    """The kept inputs, or those of another version, with these in the place of some."""
    base = kept.inputs if instead.version is None else kept_inputs(workspace, instead.version).inputs
    return Inputs(
        today(workspace, kept) if instead.sources else base.data,
        base.code if instead.code is None else _code(workspace, kept.version, instead.code),
        base.environment if instead.environment is None else _environment(kept, instead.environment),
        base.seed if instead.seed is None else instead.seed,
        base.threads if instead.threads is None else instead.threads,
        base.parameters,
    )


def said_of(part: Part, kept: Inputs, other: Inputs) -> str:
    """How a part differs from the kept one."""
    if part == "data":
        return rows_moved(kept.data, other.data).sentence
    if part == "code":
        return _files(kept.code, other.code)
    if part == "environment":
        found = differences(kept.environment or lock_here(), other.environment or lock_here())
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return ", ".join(found[:_SHOWN]) + more
    if part == "parameters":
        return f"{dict(other.parameters)} instead of {dict(kept.parameters)}"
    return f"{getattr(other, part)} instead of {getattr(kept, part)}"


def code_changes(kept: Code, other: Code) -> dict[str, list[str]]:
    """The changed files and their changed lines, as a unified difference without context."""
    found = {}
    for name in sorted(kept.files.keys() | other.files.keys()):
        before, now = (code.files.get(name, b"").decode(errors="replace").splitlines() for code in (kept, other))
        lines = list(difflib.unified_diff(before, now, lineterm="", n=0))[2:]
        if lines:
            found[name] = lines
    return found


def _files(kept: Code, other: Code) -> str:
    said = []
    for name, lines in code_changes(kept, other).items():
        place = next((line.split(" ")[2].lstrip("+").partition(",")[0] for line in lines if line[:2] == "@@"), "1")
        changed = sum(line[:1] in "+-" for line in lines)
        said.append(f"{name} from line {place} on ({changed} lines removed or added)")
    return ", ".join(said) or "the same lines under other names"


def _code(workspace: Workspace, version: Version, given: str) -> Code:
    folder = folder_of(workspace, version.model) if given == HERE else Path(given)
    if folder is None:
        raise NotFound(f"The project of '{version.model}' is not in {workspace.root}: give --code a folder instead")
    if not folder.is_dir():
        raise NotFound(f"There is no folder '{given}': give --code one with a model.py, or 'here' for the project's")
    return read_code(folder, workspace.packages)


def _environment(kept: Kept, given: str) -> Lock | None:
    if given == HERE:
        return None
    return changed_lock(kept.inputs.environment or lock_here(), Path(given), str(kept.version))
