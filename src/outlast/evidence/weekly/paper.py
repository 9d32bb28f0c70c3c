"""A model's week on paper: plain records, and the files they are written into."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from outlast.errors import SettingsError
from outlast.evidence.card.markdown import written
from outlast.evidence.card.page import whole
from outlast.evidence.card.parts import Sheet
from outlast.evidence.card.saving import save

KINDS = (".md", ".html")


@dataclass(frozen=True)
class Paper:
    """What is said of seven days of a model up to `until`, and pictures as SVG by name, where some were wanted."""

    model: str
    since: datetime
    until: datetime
    sheet: Sheet
    pictures: dict[str, str]

    @property
    def last(self) -> datetime:
        """The last day."""
        return self.until - timedelta(days=1)

    def plain(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "model": self.model,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "lead": self.sheet.lead,
            "state": self.sheet.state,
            "sections": [{"title": one.title, "parts": msgspec.to_builtins(one.parts)} for one in self.sheet.sections],
        }


def markdown(page: Sheet, pictures: dict[str, str] | None = None) -> str:
    """The page as Markdown; pictures by name, each a file beside it."""
    return written(page.heading, page.lead, f"{page.note} {page.state.capitalize()}.", page.sections, pictures)


def require_kind(file: Path) -> None:
    """SettingsError unless the page can be written into a file of that name."""
    if file.suffix not in KINDS:
        raise SettingsError(f"--output is '{file}': expected a name that ends in {' or '.join(KINDS)}")


def put(paper: Paper, file: Path) -> list[Path]:
    """Write the page, as the name of the file says; pictures are in HTML, and beside Markdown."""
    require_kind(file)
    if file.suffix == ".html":
        save(file, whole(paper.sheet, paper.pictures), what="page")
        return [file]
    beside = {name: file.with_name(f"{file.stem}-{name}.svg") for name in paper.pictures}
    for name, svg in paper.pictures.items():
        save(beside[name], svg, what="picture")
    save(file, markdown(paper.sheet, {name: one.name for name, one in beside.items()}), what="page")
    return [file, *beside.values()]
