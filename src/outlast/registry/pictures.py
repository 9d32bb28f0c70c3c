"""Pictures of an evaluation, from the summary that a version keeps: nothing is computed again.

They are drawn where somebody looks at them, not during training. Each is 800 pixels wide, in colours that all eyes tell
apart (those of Okabe and Ito), and its title says what is to be seen.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outlast.registry.sentences import (
    calibration_title,
    capacity_line,
    importance_title,
    slices_title,
    thresholds_title,
    worsening,
)

if TYPE_CHECKING:
    import altair as alt

    Chart = alt.LayerChart | alt.FacetChart

WIDTH = 800
_SHARP = 2
"""Pixels of a PNG for each of the picture's, so that it is sharp on today's screens."""
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
_FEATURES, _SLICES = 20, 40
_AROUND = 130
"""What the title, the axis and the legend take of a picture's height."""
_SURE, _LUCK = "found as weak, confirmed", "found as weak, not confirmed: may be luck"
_KINDS = {
    "declared": (_BLUE, "circle"),
    _SURE: (_ORANGE, "diamond"),
    _LUCK: (_GREY, "square"),
}


def draw(summary: Mapping[str, Any], kind: Literal["svg", "png"] = "svg") -> dict[str, bytes]:
    """Every picture that a version's summary has figures for, by name; none for a version older than evaluations."""
    return {name: drawn(spec, kind) for name, spec in specs(summary).items()}


def drawn(spec: dict[str, Any], kind: Literal["svg", "png"]) -> bytes:
    """One picture from its Vega-Lite."""
    import vl_convert

    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=_SHARP))


def save(summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write every picture as SVG and PNG into a folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kind in ("svg", "png"):
        for name, data in draw(summary, kind).items():
            files.append(folder / f"{name}.{kind}")
            files[-1].write_bytes(data)
    return sorted(files)


def specs(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The pictures in Vega-Lite, by name: calibration, thresholds, slices, importance, as far as there are figures."""
    told = summary.get("evaluation") or {}
    charts = {
        "calibration": _calibration(told["calibration"]) if told.get("calibration") else None,
        "thresholds": _thresholds(told["thresholds"], told.get("capacity")) if told.get("thresholds") else None,
        "slices": _slices(told["slices"]) if _judged(told.get("slices")) else None,
        "importance": _importance(told["importance"]) if _lost(told.get("importance")) else None,
    }
    return {name: whole(chart) for name, chart in charts.items() if chart is not None}


def undrawn(summary: Mapping[str, Any]) -> dict[str, str]:
    """Why a picture is not there, by name."""
    told = summary.get("evaluation") or {}
    slices = (told.get("slices") or {}).get("slices", [])
    largest = max(slices, key=lambda one: int(one["rows"]), default=None)
    none = "the contract declares none, and none was found that may be weak"
    said = {
        "calibration": "a number has no chance that could be off",
        "thresholds": "a threshold is for a yes or no with payoffs for two decisions",
        "slices": none if largest is None else f"the largest, {largest['says']}, has {largest['reason']}",
        "importance": "no feature's part in the metric is defined on these rows",
    }
    drawn = specs(summary)
    return {name: says for name, says in said.items() if name not in drawn}


def _judged(slices: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [one for one in (slices or {}).get("slices", []) if one["metric"] is not None]


def _lost(importance: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [one for one in (importance or {}).get("features", []) if one["loss"] is not None]


def whole(chart: "Chart") -> dict[str, Any]:
    chart = chart.properties(width=WIDTH, autosize={"type": "fit", "contains": "padding"}, padding=12)
    chart = chart.configure_axis(labelFontSize=12, titleFontSize=13, labelLimit=330, gridColor="#e6e6e6")
    chart = chart.configure_axisX(labelFlush=False, labelSeparation=8)
    chart = chart.configure_title(fontSize=15, subtitleFontSize=12, anchor="start", subtitleColor="#444", offset=10)
    spec: dict[str, Any] = chart.configure_view(stroke=None).to_dict()
    return spec


def inline(rows: list[dict[str, Any]]) -> "alt.InlineData":
    import altair as alt

    return alt.InlineData(values=rows)


def title(words: tuple[str, str]) -> "alt.TitleParams":
    import altair as alt

    return alt.TitleParams(text=f"{words[0][:1].upper()}{words[0][1:]}", subtitle=words[1])


def _calibration(found: Mapping[str, Any]) -> "Chart":
    import altair as alt

    top = min(1.0, max(max(one["predicted"], one["observed_high"]) for one in found["bins"]) * 1.05)
    scale, percent = alt.Scale(domain=[0, top], nice=False), alt.Axis(format="%")
    x = alt.X("predicted:Q", title="chance that was said", scale=scale, axis=percent)
    y = alt.Y("observed:Q", title="share that came true", scale=scale, axis=percent)
    bins = alt.Chart(inline(found["bins"]))
    ends = bins.mark_rule(color=_BLUE, strokeWidth=2).encode(
        x=x, y=alt.Y("observed_low:Q", scale=scale), y2="observed_high:Q"
    )
    dots = bins.mark_point(color=_BLUE, filled=True, size=70, opacity=1).encode(x=x, y=y)
    right = "where what is said comes true as often"
    even = alt.Chart(inline([{"predicted": end, "observed": end, "what": right} for end in (0, top)]))
    line = even.mark_line(color=_GREY).encode(x=x, y=y, strokeDash=_dashed(right))
    return alt.layer(line, ends, dots).properties(height=420, title=title(calibration_title(found)))


def _thresholds(found: Mapping[str, Any], capacity: Mapping[str, Any] | None) -> "Chart":
    import altair as alt

    curve, percent, whole = alt.Chart(inline(found["curve"])), alt.Axis(format="%"), alt.Scale(domain=[0, 1])
    x = alt.X("threshold:Q", title=f"'{found['above']}' from this chance on", axis=percent, scale=whole)
    y = alt.Y("value:Q", title=f"{found['currency']} a decision above the baseline")
    band = curve.mark_area(color=_BLUE, opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q")
    line = curve.mark_line(color=_BLUE, strokeWidth=2).encode(x=x, y=y)
    zero = alt.Chart(inline([{"value": 0}])).mark_rule(color=_GREY).encode(y="value:Q")
    rules = _ruled(_marks(found, capacity))
    return alt.layer(zero, band, line, rules).properties(height=380, title=title(thresholds_title(found)))


def _ruled(marks: list[dict[str, Any]]) -> "alt.Chart":
    """A line at each threshold, told apart by colour and dashes."""
    import altair as alt

    order = [mark["what"] for mark in marks]
    colours = alt.Scale(domain=order, range=[mark["colour"] for mark in marks])
    dashes = alt.Scale(domain=order, range=[mark["dash"] for mark in marks])
    legend = alt.Legend(orient="bottom", direction="vertical", labelLimit=700, labelFontSize=12, symbolStrokeWidth=3)
    colour = alt.Color("what:N", title=None, sort=order, scale=colours, legend=legend)
    dash = alt.StrokeDash("what:N", title=None, sort=order, scale=dashes)
    rules: alt.Chart = alt.Chart(inline(marks)).mark_rule(strokeWidth=2)
    return rules.encode(x="threshold:Q", color=colour, strokeDash=dash)


def _marks(found: Mapping[str, Any], capacity: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The thresholds worth pointing at, those that are known."""
    marks = []
    pairs = [
        (found["best"], "best by what the rows earned", _ORANGE, [1, 0]),
        (found["implied"], "what the payoffs imply", _GREEN, [6, 4]),
    ]
    for one, what, colour, dash in pairs:
        edge = one["threshold"]
        if edge is not None and edge <= 1:
            says = f"{what}: {edge:.0%}, {one['value']['value']:+.3g} {found['currency']} a decision"
            marks.append({"threshold": edge, "what": says, "colour": colour, "dash": dash})
    if capacity and capacity.get("threshold") is not None:
        says = capacity_line(capacity)
        marks.append({"threshold": capacity["threshold"], "what": says, "colour": "#000000", "dash": [2, 3]})
    return marks


def _slices(found: Mapping[str, Any]) -> "Chart":
    import altair as alt

    rows = [{"says": _label(one), **one["metric"], "kind": _kind(one)} for one in _judged(found)[:_SLICES]]
    kinds, legend = list(dict.fromkeys(row["kind"] for row in rows)), _below(direction="vertical")
    colours, shapes = (alt.Scale(domain=kinds, range=[_KINDS[kind][part] for kind in kinds]) for part in (0, 1))
    small = alt.Axis(labelFontSize=11, labelLimit=430)  # two columns and their rows fit
    order = [row["says"] for row in rows]
    y = alt.Y("says:N", title=None, sort=None, scale=alt.Scale(domain=order), axis=small)
    colour = alt.Color("kind:N", title=None, scale=colours, legend=legend)
    shape = alt.Shape("kind:N", title=None, scale=shapes, legend=legend)
    base, near = alt.Chart(inline(rows)), alt.Scale(zero=False)
    few = alt.Axis(tickCount=8)
    low = alt.X("low:Q", title=found["metric"], scale=near, axis=few)
    ends = base.mark_rule(strokeWidth=2).encode(x=low, x2="high:Q", y=y, color=colour)
    dots = base.mark_point(filled=True, size=70, opacity=1)
    value = found["whole"]["value"]
    of_all = f"all rows: {value:.3g}"
    whole = alt.Chart(inline([{"value": value, "what": of_all}])).mark_rule(color=_GREY)
    whole = whole.encode(x="value:Q", strokeDash=_dashed(of_all))
    layers = (whole, ends, dots.encode(x="value:Q", y=y, color=colour, shape=shape))
    height = _AROUND + 26 * len(rows) + 18 * (len(kinds) - 1)
    return alt.layer(*layers).properties(height=height, title=title(slices_title(found)))


def _below(**more: Any) -> "alt.Legend":
    import altair as alt

    return alt.Legend(orient="bottom", labelFontSize=12, labelLimit=400, **more)


def _dashed(says: str) -> "alt.StrokeDash":
    """Dashes, and what they mean in the legend."""
    import altair as alt

    legend = _below(symbolType="stroke", symbolSize=200, symbolStrokeColor=_GREY)
    scale = alt.Scale(domain=[says], range=[[5, 4]])
    return alt.StrokeDash("what:N", title=None, scale=scale, legend=legend)


def _label(one: Mapping[str, Any]) -> str:
    return f"{one['says']} ({one['rows']:,} rows)"


def _kind(one: Mapping[str, Any]) -> str:
    if not one["found"]:
        return "declared"
    return _SURE if one["confirmed"] else _LUCK


def _importance(found: Mapping[str, Any]) -> "Chart":
    import altair as alt

    rows = [{"feature": one["feature"], **one["loss"]} for one in _lost(found)[:_FEATURES]]
    y = alt.Y("feature:N", title=None, sort=[row["feature"] for row in rows])
    x = alt.X("value:Q", title=worsening(found["metric"]))
    base = alt.Chart(inline(rows))
    bars = base.mark_bar(color=_BLUE, opacity=0.75, height=12).encode(x=x, y=y)
    ends = base.mark_rule(color="#000000", strokeWidth=1.5).encode(x="low:Q", x2="high:Q", y=y)
    return alt.layer(bars, ends).properties(height=_AROUND + 22 * len(rows), title=title(importance_title(found)))
