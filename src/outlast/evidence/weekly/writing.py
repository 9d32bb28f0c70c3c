"""The weekly page as a sheet, as Markdown and as HTML."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from outlast.errors import SettingsError
from outlast.evidence.card.markdown import written
from outlast.evidence.card.page import whole
from outlast.evidence.card.parts import Section, Sheet, text
from outlast.evidence.card.saving import save
from outlast.evidence.weekly import sections
from outlast.evidence.weekly.pictures import draw
from outlast.evidence.weekly.week import Week

KINDS = (".md", ".html")


def sheet(week: Week, made: datetime) -> Sheet:
    """Everything that is said of a week."""
    last = week.until - timedelta(days=1)
    heading = f"{week.model}, {week.since:%d %B} to {last:%d %B %Y}"
    parts = (
        sections.next_(week), sections.worth(week), sections.incidents(week), sections.quality(week),
        sections.moved(week), sections.adoption(week), sections.live(week),
    )  # fmt: skip
    state = "not live" if week.rollout.live is None else f"version {week.rollout.live} is live"
    note = f"Written {text(made)} by `outlast weekly {week.model} --until {week.until:%Y-%m-%d}`."
    return Sheet(f"{week.model}: the week to {last:%Y-%m-%d}", heading, state, sections.lead(week), note, parts)


def markdown(page: Sheet, pictures: dict[str, str] | None = None) -> str:
    """The page as Markdown; pictures by name, each a file beside it."""
    return written(page.heading, page.lead, f"{page.note} Now {page.state}.", page.sections, pictures)


def plain(week: Week, page: Sheet) -> dict[str, Any]:
    """The same for programs."""
    told: list[Section] = list(page.sections)
    return {
        "model": week.model,
        "since": week.since.isoformat(),
        "until": week.until.isoformat(),
        "lead": page.lead,
        "state": page.state,
        "sections": [{"title": one.title, "parts": msgspec.to_builtins(one.parts)} for one in told],
    }


def put(week: Week, page: Sheet, file: Path) -> list[Path]:
    """Write the page, as the name of the file says; pictures are in HTML, and beside Markdown."""
    if file.suffix not in KINDS:
        raise SettingsError(f"--output is '{file}': expected a name that ends in {' or '.join(KINDS)}")
    pictures = draw(week)
    if file.suffix == ".html":
        save(file, whole(page, pictures))
        return [file]
    beside = {name: file.with_name(f"{file.stem}-{name}.svg") for name in pictures}
    for name, svg in pictures.items():
        save(beside[name], svg)
    save(file, markdown(page, {name: one.name for name, one in beside.items()}))
    return [file, *beside.values()]
