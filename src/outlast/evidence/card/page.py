"""A card, or another sheet, as one HTML file that needs nothing else: styles and pictures are in it, and no script."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from outlast.evidence.card.parts import Card, Facts, Grid, Say, Sheet, text
from outlast.registry.pictures import draw

Pictures = Mapping[str, str]
"""SVG by the name of what it shows; drawn by us, and the only text that is put in as it is."""


def page(card: Card, pictures: Pictures | None = None) -> str:
    """The whole card, with the pictures that were drawn."""
    note = f"Model card, made {text(card.made)} from what Outlast keeps of the bundle {card.digest[:16]}."
    title, heading = f"{card.model}@{card.number}: model card", f"{card.model}, version {card.number}"
    return whole(Sheet(title, heading, card.state, card.lead, note, card.sections), pictures)


def whole(sheet: Sheet, pictures: Pictures | None = None) -> str:
    """A sheet, with the pictures that were drawn."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["anchor"] = lambda title: "-".join(title.lower().replace(",", "").split())
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.render(sheet=sheet, pictures=pictures or {}, kind=_kind)


def drawn(summary: Mapping[str, Any]) -> Pictures:
    """The pictures of the evaluation in a version's summary, as far as it has figures."""
    return {name: data.decode() for name, data in draw(summary).items()}


def _kind(part: Say | Facts | Grid) -> str:
    return type(part).__name__.lower()
