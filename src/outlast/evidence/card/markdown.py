"""A card as Markdown: text of people's own is spelled so that it stays text."""

import re
from collections.abc import Mapping, Sequence

from outlast.evidence.card.parts import Card, Facts, Grid, Say, Section

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~&$])")
_SPACE = re.compile(r"\s+")
_BEGINS = re.compile(r"^(?:([-+=#]+)|(\d+)([.)]))(?=\s|$)")
"""What makes a list, a heading or a rule of a line."""


def markdown(card: Card) -> str:
    """The whole card."""
    made = (
        f"Model card, made {card.made:%Y-%m-%d %H:%M} UTC from what Outlast keeps of the bundle `{card.digest[:16]}`."
    )
    return written(f"{card.model}, version {card.number}", card.lead, made, card.sections)


def written(
    heading: str, lead: str, note: str, sections: Sequence[Section], pictures: Mapping[str, str] | None = None
) -> str:
    """A heading, what it is about, a note that is Markdown already, and sections; pictures by name, each a file."""
    lines = [f"# {escaped(heading)}", "", paragraph(lead), "", note]
    for section in sections:
        lines += ["", f"## {escaped(section.title)}"]
        for part in section.parts:
            lines += ["", *_lines(part)]
        there = {name: (pictures or {}).get(name) for name in section.pictures}
        for name, file in there.items():
            lines += [] if file is None else ["", f"![{name}]({file})"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Text on one line, in which nothing is Markdown or HTML.

    >>> print(escaped("a|b <script>\n[x](y)"))
    a\|b \<script\> \[x\](y)
    """
    return _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", text).strip())


def paragraph(text: str) -> str:
    r"""The same at the beginning of a line.

    >>> print(paragraph("1. not a list"), paragraph("# nor a heading"), paragraph("0.5 is 0.5"))
    1\. not a list \# nor a heading 0.5 is 0.5
    """
    return _BEGINS.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", escaped(text))


def _lines(part: Say | Facts | Grid) -> list[str]:
    if isinstance(part, Say):
        return [f"*{escaped(part.text)}*" if part.quiet else paragraph(part.text)]
    if isinstance(part, Facts):
        return [f"- **{escaped(name)}**: {escaped(said)}" for name, said in part.rows]
    head, *rows = [[escaped(cell) for cell in row] for row in (part.headers, *part.rows)]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
