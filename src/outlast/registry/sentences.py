"""An evaluation in sentences, for a terminal, a card and the titles of pictures; plain numbers, nothing drawn."""

from collections.abc import Iterator, Mapping
from typing import Any

from outlast.types import SMALLER_IS_BETTER, counted

Found = Mapping[str, Any]
_SHOWN = 3


def evaluated(summary: Found) -> Iterator[tuple[str, str]]:
    """The evaluation in a few lines, each with a name; none for a version older than evaluations."""
    told, value = summary.get("evaluation") or {}, summary.get("value")
    if told.get("calibration"):
        yield "calibrated", "; ".join(calibration_title(told["calibration"]))
    if told.get("slices"):
        currency = None if value is None else value["currency"]
        yield from (("weak where", says) for says in _weakest(told["slices"], currency))
    if told.get("thresholds"):
        yield "threshold", best_line(told["thresholds"])
    if told.get("capacity"):
        yield "capacity", capacity_line(told["capacity"])
    if told.get("importance"):
        yield "rests on", _rests_on(told["importance"])
    if summary.get("search"):
        yield "search", _searched(summary["search"])


def _weakest(found: Found, currency: str | None) -> list[str]:
    """The slices that were found and confirmed, else the sentence that there are none."""
    worse = [one for one in found["slices"] if one["found"] and one["confirmed"]]
    if not worse:
        return [slices_title(found)[0]]
    return [slice_line(one, found["metric"], currency) for one in worse[:_SHOWN]]


def _rests_on(found: Found) -> str:
    sure = [one for one in found["features"] if one["loss"] and one["loss"]["low"] > 0]
    if not sure:
        return "no feature surely: shuffling any one of them changes nothing beyond luck"
    said = [f"{one['feature']} ({one['loss']['value']:.2g})" for one in sure[:_SHOWN]]
    return f"{', '.join(said)}: {_by_how_much(found['metric'])} when one is shuffled"


def _searched(found: Found) -> str:
    best, rows = found["trials"][found["best"]], found["rows"]
    chosen = ", ".join(f"{name}={value}" for name, value in found["chosen"].items())
    return (
        f"{chosen}: the best of {counted(len(found['trials']), 'trial')} by {found['metric']} ({best['value']:.4g}) on "
        f"{rows['judge']:,} of the rows to train"
    )


def calibration_title(found: Found) -> tuple[str, str]:
    """How far chances are off, and which way."""
    error, large, slope = found["error"], found["large"], found["slope"]
    bold = "" if slope is None else f"; slope {_interval(slope)}, 1 is right and less is too bold"
    often = "more" if large["value"] >= 0 else "less"
    ends = f"{100 * error['low']:.1f} to {100 * error['high']:.1f}"
    return (
        f"chances are off by {_points(error['value'])} on average ({ends})",
        f"it happens {_points(abs(large['value']))} {often} often than is said{bold}",
    )


def thresholds_title(found: Found) -> tuple[str, str]:
    """What the best threshold earns above the one that the payoffs imply."""
    gain, best, currency = found["gain"], found["best"], found["currency"]
    where = _where(found)
    if gain["low"] > 0:
        says = f"deciding {where} would earn {_money(gain, currency)} more a decision than the payoffs' own threshold"
    else:
        says = f"no threshold is surely better than the one that the payoffs imply ({where} at best)"
    told = f"{_money(best['value'], currency)} a decision above the baseline, on rows that had no part in choosing it"
    return says, told


def slices_title(found: Found) -> tuple[str, str]:
    """How many slices are surely worse than the whole."""
    worse = [one for one in found["slices"] if one["found"] and one.get("confirmed")]
    count = counted(len(worse), "slice") if worse else "no slice"
    whole = f" ({found['metric']} {found['whole']['value']:.3g})" if found["whole"] else ""
    says = f"{count} found that {'are' if len(worse) > 1 else 'is'} surely worse than the whole{whole}"
    return says, "bars are 95 % intervals; found slices are measured on rows that had no part in finding them"


def importance_title(found: Found) -> tuple[str, str]:
    """What the model leans on most."""
    first = [one["feature"] for one in found["features"] if one["loss"] and one["loss"]["low"] > 0][:3]
    says = f"the model rests most on {', '.join(first)}" if first else "no feature is surely needed"
    return says, f"{worsening(found['metric'], 'one feature')} among {found['rows']:,} test rows, with 95 % intervals"


def worsening(metric: str, shuffled: str = "it") -> str:
    """What a metric does when a feature is taken away: a loss rises, any other falls."""
    return f"{'rise' if metric in SMALLER_IS_BETTER else 'fall'} of {metric} when {shuffled} is shuffled"


def _by_how_much(metric: str) -> str:
    return f"by how much {metric} rises" if metric in SMALLER_IS_BETTER else f"what {metric} loses"


def capacity_line(found: Found) -> str:
    """What acting within the capacity is worth, or why that cannot be said."""
    if found["reason"] is not None:
        return f"{found['a_day']:,} a day: {found['reason']}"
    edge = "" if found["threshold"] is None else f" from {found['threshold']:.0%} on"
    return (
        f"at most {found['a_day']:,} a day{edge}: {_money(found['value'], found['currency'])} a decision, "
        f"{found['share']:.0%} acted on"
    )


def slice_line(one: Found, metric: str, currency: str | None) -> str:
    """A slice with its figures, or why it has none."""
    if one["metric"] is None:
        return f"{one['says']}: {one['reason']}"
    money = "" if one["value"] is None or currency is None else f", {_money(one['value'], currency)} a decision"
    sure = "" if not one["found"] or one["confirmed"] else "; may be luck"
    return f"{one['says']}: {metric} {_interval(one['metric'])} on {one['rows']:,} rows{money}{sure}"


def best_line(found: Found) -> str:
    """The best threshold beside the one that the payoffs imply."""
    implied = found["implied"]["threshold"]
    said = "each row's own by the payoffs" if implied is None else f"{implied:.0%} by the payoffs"
    return f"{_where(found)}, {said}: {_money(found['gain'], found['currency'], interval=True)} a decision between them"


def _where(found: Found) -> str:
    edge = found["best"]["threshold"]
    return f"'{found['below']}' always" if edge > 1 else f"'{found['above']}' from {edge:.0%} on"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _interval(found: Found) -> str:
    return f"{found['value']:.3g} ({found['low']:.3g} to {found['high']:.3g})"


def _money(found: Found, currency: str, *, interval: bool = False) -> str:
    ends = f" ({found['low']:+.3g} to {found['high']:+.3g})" if interval else ""
    return f"{found['value']:+.3g} {currency}{ends}"
