"""Pictures of the weekly page: money by day, and the main metric by week."""

from typing import TYPE_CHECKING, Any

from outlast.evidence.weekly.week import Week
from outlast.registry.pictures import drawn, inline, title, whole

if TYPE_CHECKING:
    import altair as alt

    from outlast.registry.pictures import Chart

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#767676"


def draw(week: Week) -> dict[str, str]:
    """Every picture that there are figures for, as SVG by name."""
    charts = {"money": _money(week), "quality": _quality(week)}
    return {name: drawn(whole(chart), "svg").decode() for name, chart in charts.items() if chart is not None}


def _money(week: Week) -> "Chart | None":
    import altair as alt

    rows = [_day(day) for day in week.past.days if day.priced]
    if not rows:
        return None
    y = alt.Y("gain:Q", title=f"{week.money.currency} a day above the baseline")
    x = alt.X("day:O", title=None, sort=None, axis=_few())
    base = alt.Chart(inline(rows))
    bars = base.mark_bar(color=_BLUE, opacity=0.75).encode(x=x, y=y)
    ends = base.mark_rule(color="#000000", strokeWidth=1).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q")
    promised = [{**row, "what": "promised at promotion"} for row in rows if row["promised"] is not None]
    line = alt.Chart(inline(promised)).mark_line(color=_ORANGE, strokeWidth=2, interpolate="linear")
    line = line.encode(x=x, y=alt.Y("promised:Q", title=""), strokeDash=_legend("promised at promotion"))
    zero = alt.Chart(inline([{"gain": 0}])).mark_rule(color=_GREY).encode(y="gain:Q")
    layers = (zero, bars, ends, *([line] if promised else []))
    words = ("what each day gained above the baseline, with 95 % intervals", f"{week.model}; {week.past.says}")
    return alt.layer(*layers).properties(height=300, title=title(words))


def _day(day: Any) -> dict[str, Any]:
    ends = {"low": day.gain if day.low is None else day.low, "high": day.gain if day.high is None else day.high}
    return {"day": f"{day.day:%d %b}", "gain": day.gain, "promised": day.promised, **ends}


def _quality(week: Week) -> "Chart | None":
    import altair as alt

    rows = [
        {"week": f"{start:%d %b}", "value": figure.value, "low": figure.low, "high": figure.high}
        for start, figure in week.quality
        if figure.value is not None and figure.low is not None
    ]
    if not rows:
        return None
    near, x = alt.Scale(zero=False), alt.X("week:O", title="week of", sort=None, axis=_few())
    base = alt.Chart(inline(rows))
    ends = base.mark_rule(color=_BLUE, strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title="", scale=near), y2="high:Q")
    dots = base.mark_point(color=_BLUE, filled=True, size=70, opacity=1)
    layers: list[Any] = [ends, dots.encode(x=x, y=alt.Y("value:Q", title=week.metric, scale=near))]
    expected = week.subject.summary.get("metrics", {}).get(week.metric)
    if expected is not None:
        said = f"in the evaluation: {expected['value']:.3g}"
        rule = alt.Chart(inline([{"value": expected["value"], "what": said}])).mark_rule(color=_GREY)
        layers.append(rule.encode(y=alt.Y("value:Q", title="", scale=near), strokeDash=_legend(said)))
    words = (f"each week's {week.metric}, with 95 % intervals", f"{week.version}; as far as labels are here")
    return alt.layer(*layers).properties(height=260, title=title(words))


def _few() -> "alt.Axis":
    """As many labels as there is room for."""
    import altair as alt

    return alt.Axis(labelAngle=0, labelOverlap="greedy")


def _legend(says: str) -> "alt.StrokeDash":
    import altair as alt

    legend = alt.Legend(orient="bottom", labelFontSize=12, labelLimit=400, symbolType="stroke", symbolSize=200)
    return alt.StrokeDash("what:N", title=None, scale=alt.Scale(domain=[says], range=[[5, 4]]), legend=legend)
