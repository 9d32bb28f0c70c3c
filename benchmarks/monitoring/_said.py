"""Results: what was measured, its bar, and whether it held; kept as JSON and shown as a page."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


@dataclass
class Result:
    """One line: a measured thing against its bar; a bar of None is only told."""

    experiment: int
    what: str
    measured: str
    bar: str
    held: bool | None
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = None if self.held is None else bool(self.held)


def binomial_interval(hits: int, tries: int) -> tuple[float, float]:
    """95 %, Wilson 1927."""
    z, p = 1.96, hits / tries
    middle, reach = p + z * z / (2 * tries), z * math.sqrt(p * (1 - p) / tries + z * z / (4 * tries * tries))
    shrunk = 1 + z * z / tries
    return max(0.0, (middle - reach) / shrunk), min(1.0, (middle + reach) / shrunk)


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and the order statistics that hold it with 95 %."""
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    reach = 0.98 * math.sqrt(n)
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    return float(np.median(ordered)), float(ordered[low]), float(ordered[high])


def said(values: list[float]) -> str:
    """Median and interval; what was never found is infinite and said so."""
    middle, low, high = map(_number, median_interval(values))
    return f"{middle} ({low}–{high})"


def keep(results: list[Result], where: str) -> None:
    """Into results/N.json, one file for each experiment."""
    for number in {one.experiment for one in results}:
        path = FOLDER / "results" / f"{number}.json"
        path.parent.mkdir(exist_ok=True)
        mine = [asdict(one) for one in results if one.experiment == number]
        path.write_text(json.dumps({"results": mine, "where": where}) + "\n", "utf-8")


def lines(results: list[Result]) -> str:
    """A table of Markdown."""
    head = "| what | measured | bar | |\n| --- | ---: | ---: | --- |\n"
    word = {True: "held", False: "**missed**", None: ""}
    return head + "\n".join(f"| {one.what} | {one.measured} | {one.bar} | {word[one.held]} |" for one in results)


def _number(value: float) -> str:
    return "not found" if not math.isfinite(value) else f"{value:,.0f}"


def page() -> None:
    """Put every experiment's results into README.md, between their marks."""
    kept = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "results").glob("*.json"))}
    readme = FOLDER / "README.md"
    text = readme.read_text("utf-8")
    for number, one in kept.items():
        begin, end = f"<!-- {number} -->", f"<!-- /{number} -->"
        before, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"{readme} has no place for experiment {number}: add the lines {begin} and {end}")
        after = rest.partition(end)[2]
        results = [Result(**each) for each in one["results"]]
        text = f"{before}{begin}\n{lines(results)}\n\n{one['where']}\n{end}{after}"
    readme.write_text(text, "utf-8")
