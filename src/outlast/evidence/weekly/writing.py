"""The weekly page, from what is known of the week."""

from datetime import datetime

from outlast.evidence.card.parts import Sheet, text
from outlast.evidence.weekly import sections
from outlast.evidence.weekly.paper import Paper
from outlast.evidence.weekly.pictures import draw
from outlast.evidence.weekly.week import Week


def sheet(week: Week, made: datetime) -> Sheet:
    """Everything that is said of a week."""
    heading = f"{week.model}, {week.since:%d %B} to {week.last:%d %B %Y}"
    parts = (
        sections.next_(week), sections.worth(week), sections.incidents(week), sections.quality(week),
        *([sections.slices(week)] if week.slices else []),
        sections.moved(week), sections.adoption(week), sections.live(week),
    )  # fmt: skip
    state = f"{'nothing' if week.rollout.live is None else f'version {week.rollout.live}'} was live at its end"
    command = f"`outlast weekly {week.model} --until {week.until:%Y-%m-%d}`"
    note = f"Written {text(made)} by {command}, which names the day after the last."
    return Sheet(
        f"{week.model}: the week from {week.since:%Y-%m-%d} to {week.last:%Y-%m-%d}",
        heading,
        state,
        sections.lead(week),
        note,
        parts,
    )


def paper(week: Week, made: datetime, *, pictures: bool = True) -> Paper:
    """The week as it is put on paper; drawing takes seconds."""
    return Paper(week.model, week.since, week.until, sheet(week, made), draw(week) if pictures else {})
