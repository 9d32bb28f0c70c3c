"""A picture of the year: what it earned, beside the model frozen in June and nobody acting, and what happened when.

What happened stands above the money, in lanes, so that no text lies over a line or over another.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt

from outlast.monitoring.incidents.incident import Incident
from outlast.registry.pictures import drawn, inline, title, whole
from outlast.registry.rollout import Transition
from outlast.replaying.faults import Fault

LIVE, FROZEN, NOBODY = "live, with the loop", "frozen in June", "nobody acts"
COLOURS = {LIVE: "#0072B2", FROZEN: "#D55E00", NOBODY: "#767676"}
LIVE_FROM = "from here on, this version is live"
FAULT, FAULT_SAID, STEP, STEP_SAID = "#E69F00", "#7a4d00", "#009E73", "#00664b"
SEVERITY = {"SEV1": "#b3001b", "SEV2": "#CC79A7", "SEV3": "#767676"}
MONEY = 400
"""Pixels for the money; the lanes are added above."""
ACROSS, LETTER, LANE = 690, 6.0, 18
"""Pixels of the plot from left to right and of a letter, both at their worst, and of a lane."""


class Happened(NamedTuple):
    """What the picture tells beside the money."""

    faults: Sequence[Fault]
    incidents: Sequence[Incident]
    steps: Sequence[Transition]


class Label(NamedTuple):
    """A text and what it belongs to, in pixels of the plot."""

    says: str
    left: float
    begin: float
    end: float

    def meets(self, other: "Label") -> bool:
        """Whether both take room at one place of a lane."""
        mine, its = self.reach, other.reach
        return mine[0] <= its[1] and its[0] <= mine[1]

    @property
    def reach(self) -> tuple[float, float]:
        return min(self.left, self.begin), max(self.left + wide(self.says), self.end)


class Time(NamedTuple):
    """The plot from left to right."""

    start: datetime
    end: datetime

    def pixel(self, at: datetime) -> float:
        return ACROSS * ((at - self.start) / (self.end - self.start))

    def day(self, pixel: float) -> str:
        return f"{self.start + (self.end - self.start) * pixel / ACROSS:%Y-%m-%dT%H:%M:%S}"


def wide(text: str) -> float:
    """Pixels that a text takes, with some to the next."""
    return len(text) * LETTER + 8


def save(folder: Path, days: Sequence[dict[str, Any]], happened: Happened, words: tuple[str, str]) -> list[Path]:
    """Write the picture as SVG and PNG."""
    spec = whole(_chart(days, happened, words))
    spec["config"]["legend"] = {"layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 4}}}
    files = []
    for kind in ("svg", "png"):
        files.append(folder / f"year.{kind}")
        files[-1].write_bytes(drawn(spec, kind))  # type: ignore[arg-type]
    return files


def lanes(labels: Sequence[Label], *, hung: bool) -> list[int]:
    """A lane for each label, which come from left to right, so that no text lies over another.

    What is hung has a line down from its beginning; it stands below each text that this would cross.
    """
    found: list[int] = []
    for label in labels:
        taken = {lane for other, lane in zip(labels, found, strict=False) if other.meets(label)}
        free = (lane for lane in range(len(labels)) if lane not in taken)
        found.append(max(taken, default=-1) + 1 if hung else next(free))
    return found


def _chart(days: Sequence[dict[str, Any]], happened: Happened, words: tuple[str, str]) -> alt.LayerChart:
    start, last = (datetime.combine(days[end]["day"], datetime.min.time(), UTC) for end in (0, -1))
    faults = [one for one in happened.faults if one.since < last]
    steps = [one for one in happened.steps if start <= one.at]
    seen = [one for one in happened.incidents if start <= one.opened_at]
    over = max((label.reach[1] - ACROSS for label in _hung(steps, Time(start, last))), default=0.0)
    time = Time(start, start + (last - start) * (ACROSS / (ACROSS - max(0.0, over))))
    hung, names = list(_hung(steps, time)), list(_named(faults, time, last))
    in_lane, beneath = lanes(names, hung=False), lanes(hung, hung=True)
    tops = [LANE * (1 + max(in_lane, default=-1)), 0, 0]  # where faults end, incidents end, versions end
    tops[1] = tops[0] + (LANE if seen else 0)
    tops[2] = tops[1] + LANE * (1 + max(beneath, default=-1))
    layers = [
        *_faults(names, in_lane, time, tops[2]),
        *_incidents(seen, tops[1] - LANE / 2),
        *_steps(hung, [tops[1] + LANE * lane for lane in beneath], time),
        _money(days, time, tops[2] + 6),
    ]
    chart: alt.LayerChart = alt.layer(*layers).resolve_scale(y="independent")
    return chart.properties(height=MONEY + tops[2] + 130, title=title(words))


def _money(days: Sequence[dict[str, Any]], time: Time, top: float) -> alt.Chart:
    rows = [
        {"day": f"{day['day']}T00:00:00", "money": amount, "who": who}
        for day in days
        for who, amount in ((LIVE, day["worth"]), (FROZEN, day["frozen_worth"]), (NOBODY, 0))
    ]
    scale = alt.Scale(range=[{"expr": "height"}, top])
    legend = alt.Legend(orient="bottom", labelFontSize=12, labelLimit=400)
    dashes = alt.Scale(domain=[*COLOURS], range=[[1, 0], [6, 3], [2, 3]])
    chart: alt.Chart = alt.Chart(inline(rows)).mark_line(strokeWidth=2)
    return chart.encode(
        x=_x("day:T", time),
        y=alt.Y("money:Q", title="USD so far", scale=scale, axis=alt.Axis(format="~s", grid=True)),
        color=alt.Color(
            "who:N", title=None, scale=alt.Scale(domain=[*COLOURS], range=[*COLOURS.values()]), legend=legend
        ),
        strokeDash=alt.StrokeDash("who:N", title=None, scale=dashes),
    )


def _faults(labels: Sequence[Label], lane: Sequence[int], time: Time, top: float) -> Iterator[alt.Chart]:
    """Each as a span over the money, with a bar in its lane under its name."""
    rows = [
        {"begin": time.day(one.begin), "end": time.day(one.end), "at": time.day(one.left), "says": one.says,
         "middle": LANE * (row + 0.5), "top": LANE * (row + 1) - 3, "foot": LANE * (row + 1)}
        for one, row in zip(labels, lane, strict=True)
    ]  # fmt: skip
    base = alt.Chart(inline(rows))
    x, end = _x("begin:T", time), "end:T"
    yield base.mark_rect(color=FAULT, opacity=0.22).encode(x=x, x2=end, y=alt.value(top), y2=alt.value("height"))
    yield base.mark_rect(color=FAULT).encode(x=x, x2=end, y=_pixel("top"), y2="foot:Q")
    said = base.mark_text(align="left", baseline="middle", fontSize=11, color=FAULT_SAID, limit=ACROSS, dy=-2)
    yield said.encode(x=_x("at:T", time), y=_pixel("middle"), text="says:N")


def _incidents(every: Sequence[Incident], middle: float) -> Iterator[alt.Chart]:
    """A mark for each, when it was noticed, in a lane of their own."""
    if not every:
        return
    rows = [{"day": f"{one.opened_at:%Y-%m-%dT%H:%M:%S}", "what": f"incident, {one.severity}"} for one in every]
    kinds = sorted({row["what"] for row in rows})
    scale = alt.Scale(domain=kinds, range=[SEVERITY[kind.split(", ")[1]] for kind in kinds])
    legend = alt.Legend(orient="bottom", labelFontSize=12, symbolOpacity=1, symbolStrokeWidth=0)
    fill = alt.Fill("what:N", title=None, scale=scale, legend=legend)
    marks = alt.Chart(inline(rows)).mark_point(shape="triangle-down", strokeWidth=0, size=55, opacity=0.85)
    yield marks.encode(x=alt.X("day:T"), y=alt.value(middle), fill=fill)


def _steps(labels: Sequence[Label], tops: Sequence[float], time: Time) -> Iterator[alt.Chart]:
    """A line for each change of what is live, hanging down from what it was."""
    rows = [
        {"begin": time.day(one.begin), "says": one.says, "what": LIVE_FROM, "top": top, "middle": top + LANE / 2}
        for one, top in zip(labels, tops, strict=True)
    ]
    base = alt.Chart(inline(rows))
    x = _x("begin:T", time)
    legend = alt.Legend(orient="bottom", labelFontSize=12, symbolType="stroke", symbolDash=[4, 3], labelLimit=400)
    stroke = alt.Stroke("what:N", title=None, scale=alt.Scale(domain=[LIVE_FROM], range=[STEP]), legend=legend)
    rules = base.mark_rule(strokeDash=[4, 3])
    yield rules.encode(x=x, y=_pixel("top"), y2=alt.value("height"), stroke=stroke)
    said = base.mark_text(align="left", baseline="middle", dx=4, fontSize=11, color=STEP_SAID)
    yield said.encode(x=x, y=_pixel("middle"), text="says:N")


def _named(faults: Sequence[Fault], time: Time, last: datetime) -> Iterator[Label]:
    """The name over the middle of its span, moved to where the plot has room for it."""
    for one in sorted(faults, key=lambda one: one.since):
        begin, end = (time.pixel(max(time.start, min(last, at))) for at in (one.since, one.until or last))
        room = wide(one.name)
        yield Label(one.name, max(0.0, min((begin + end - room) / 2, ACROSS - room)), begin, end)


def _hung(steps: Sequence[Transition], time: Time) -> Iterator[Label]:
    for one in sorted(steps, key=lambda one: one.at):
        at = time.pixel(one.at)
        yield Label(_step(one), at + 4, at, at)


def _step(one: Transition) -> str:
    number = "none" if one.to_version is None else f"@{one.to_version}"
    return f"back to {number}" if one.action == "rollback" else number


def _x(field: str, time: Time) -> alt.X:
    domain = [f"{time.start:%Y-%m-%dT%H:%M:%S}", time.day(ACROSS)]
    scale = alt.Scale(domain=[{"expr": f"toDate('{day}')"} for day in domain])
    return alt.X(field, title=None, scale=scale, axis=alt.Axis(format="%B", tickCount="month", grid=False))


def _pixel(field: str) -> alt.Y:
    """A place that is said in pixels from the top, whatever the money's axis says."""
    return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, 1000], range=[0, 1000]))
