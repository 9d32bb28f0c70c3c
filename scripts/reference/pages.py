"""The reference pages and their generated parts, each between two comments that name its writer."""

import re
from collections.abc import Callable
from pathlib import Path

from scripts.reference import commands, contract, names, settings, stored

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
WRITERS: dict[str, Callable[[], str]] = {
    "commands": commands.text,
    "contract": contract.text,
    "names": names.text,
    "errors": names.errors,
    "variables": settings.variables,
    "workspace": settings.workspace,
    "bundle": stored.bundle,
    "ledger": stored.ledger,
    "journal": stored.journal,
}
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def filled(page: str) -> str:
    """A page with its generated parts as the code has them now."""
    return _PART.sub(lambda found: f"{found[1]}\n{WRITERS[found[2]]().strip()}\n\n{found[3]}", page)


def behind() -> list[str]:
    """The pages that differ from what the code says."""
    return [path.name for path in _pages() if path.read_text("utf-8") != filled(path.read_text("utf-8"))]


def refresh() -> list[str]:
    """Write the pages that are behind."""
    late = behind()
    for name in late:
        path = FOLDER / name
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
    return late


def written_by() -> set[str]:
    """The writers that the pages ask for."""
    return {found[2] for path in _pages() for found in _PART.finditer(path.read_text("utf-8"))}


def _pages() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))
