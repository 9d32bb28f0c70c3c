"""A picture of the year: what it earned, beside the model frozen in June and nobody acting, and what happened when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from outlast.registry.pictures import drawn, inline, title, whole
from outlast.registry.rollout import Transition
from outlast.replaying.faults import Fault

LIVE, FROZEN, NOBODY = "live, with the loop", "frozen in June", "nobody acts"
COLOURS = {LIVE: "#0072B2", FROZEN: "#D55E00", NOBODY: "#767676"}


def save(folder: Path, days: Sequence[dict[str, Any]], events: tuple[Sequence[Fault], Sequence[Transition]],
         words: tuple[str, str]) -> list[Path]:  # fmt: skip
    """Write the picture as SVG and PNG."""
    spec = whole(_chart(days, *events, words))
    files = []
    for kind in ("svg", "png"):
        files.append(folder / f"year.{kind}")
        files[-1].write_bytes(drawn(spec, kind))  # type: ignore[arg-type]
    return files


def _chart(
    days: Sequence[dict[str, Any]], faults: Sequence[Fault], steps: Sequence[Transition], words: tuple[str, str]
) -> alt.LayerChart:
    lines = [
        {"day": f"{day['day']}", "money": amount, "who": who}
        for day in days
        for who, amount in ((LIVE, day["worth"]), (FROZEN, day["frozen_worth"]), (NOBODY, 0))
    ]
    last = str(days[-1]["day"])
    x = alt.X("day:T", title=None, axis=alt.Axis(format="%B", tickCount="month"))
    legend = alt.Legend(orient="bottom", labelFontSize=12, labelLimit=400)
    colour = alt.Color(
        "who:N", title=None, scale=alt.Scale(domain=[*COLOURS], range=[*COLOURS.values()]), legend=legend
    )
    dash = alt.StrokeDash("who:N", title=None, scale=alt.Scale(domain=[*COLOURS], range=[[1, 0], [6, 3], [2, 3]]))
    y = alt.Y("money:Q", title="USD so far", axis=alt.Axis(format="~s"))
    money = alt.Chart(inline(lines)).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    spans = [
        {"day": f"{one.since:%Y-%m-%d}", "end": min(last, f"{one.until or one.since:%Y-%m-%d}"), "what": one.name}
        for one in faults
        if f"{one.since:%Y-%m-%d}" < last
    ]
    wrong = alt.Chart(inline(spans)).mark_rect(color="#E69F00", opacity=0.25).encode(x="day:T", x2="end:T")
    named = alt.Chart(inline(spans)).mark_text(align="left", angle=270, dx=-230, dy=-5, fontSize=11, color="#8a5a00")
    marks = [{"day": f"{one.at:%Y-%m-%d}", "what": f"{one.action} {one.to_version}"} for one in steps]
    rules = alt.Chart(inline(marks)).mark_rule(color="#009E73", strokeDash=[4, 3]).encode(x="day:T")
    said = alt.Chart(inline(marks)).mark_text(align="left", angle=270, dx=-120, dy=-5, fontSize=11, color="#00664b")
    layers = [wrong, money, named.encode(x="day:T", text="what:N"), rules, said.encode(x="day:T", text="what:N")]
    return alt.layer(*layers).properties(height=460, title=title(words))
