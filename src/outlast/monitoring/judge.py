"""From counts to findings: what has moved or been lost beyond what chance, season and sampling explain.

This judges each window, and each day, by itself. Margins and z-values are those of a betting detector's null: a rate
or a mean is compared with reference + z x its sampling error + a margin, and a finding needs a deviation that chance
exceeds `budget` times a year over all tests of a year (the union bound). Drift is a ticket, lost value is a page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from outlast.data.profile import ABOVE, BELOW, MISSING, UNSEEN, Bins, Profile
from outlast.monitoring import evidence
from outlast.monitoring.counting.counts import Counts, Ints
from outlast.monitoring.figures import ENOUGH, reference_of
from outlast.monitoring.harm import Harm
from outlast.types import Task

Severity = Literal["page", "ticket"]
Scale = Literal["window", "day"]

ASSUMED_EFFECT = 10.0
"""Rows of one hour or day share weather, campaigns and feeds. Until a version has days of its own to measure by how
much, ten of its rows are taken for one independent row."""
DAYS = 7
"""Days of its own from which a version's design effects are measured."""
LARGEST = 1e6
"""Deviations are not said beyond this: nothing depends on more."""
GRADED = 200
"""Matured answers below which a mean loss is not judged: its error is estimated from the same rows."""

_RATES = {"missing": (MISSING, 0.005, 0.20), "unseen": (UNSEEN, 0.005, 0.20)}
_RATES |= {"below the range of training": (BELOW, 0.005, 0.15), "above the range of training": (ABOVE, 0.005, 0.15)}
_BIN = (0.005, 0.15)
_LOCATION = 0.01
_AT_TIMES, _MOSTLY = 0.01, 0.9
"""Shares of a column's values that are missing in training: at times, and most of the time."""
_Z, _Z_LABELLED = 3.0, 2.5
_LOSSES: Mapping[Task, tuple[str, float]] = {
    "binary": ("brier", 0.005),
    "multiclass": ("accuracy", 0.01),
    "regression": ("mae", 0.0),
}


@dataclass(frozen=True)
class Finding:
    """Something that should not be so, with the numbers that show it."""

    kind: str
    column: str | None
    severity: Severity
    sentence: str
    deviation: float | None
    """Standard errors beyond the limit; None where there is no doubt to measure."""
    since: datetime | None = None
    """When it began, where that is known better than by the window it was found in."""
    harm: Harm | None = None
    source: str | None = None
    """The source that it is about, where it is about one."""
    reach: float | None = None
    """The share of rows that it can have harmed, where it is a fault of some."""
    against: Literal["promotion", "accepted", "course"] = "promotion"
    """What it departs from: a reference, or its own last days. What was accepted silences findings against the
    promotion's."""

    def plain(self) -> dict[str, Any]:
        """Plain values, without what is not said."""
        kept = {name: getattr(self, name) for name in ("kind", "column", "severity", "sentence", "deviation")}
        may = {"since": self.since and self.since.isoformat(), "harm": self.harm and asdict(self.harm)}
        return kept | {name: said for name, said in {**may, "source": self.source}.items() if said is not None}


@dataclass(frozen=True)
class Effects:
    """Design effects by stream, measured over a version's own days; what was not measured is assumed."""

    measured: Mapping[str, float] = field(default_factory=dict)

    def of(self, stream: str) -> float:
        return self.measured.get(stream, ASSUMED_EFFECT)

    def said(self, stream: str) -> str:
        word = "measured" if stream in self.measured else "assumed"
        return f"{self.of(stream):.3g} rows taken as one, {word}"


@dataclass(frozen=True)
class Bench:
    """What a version is judged against."""

    task: Task
    profile: Profile
    summary: Mapping[str, Any]
    cadence: timedelta
    budget: float
    effects: Effects = Effects()
    carried: bool = False
    """Whether evidence is carried from check to check: then only what needs no statistics is judged here."""

    def threshold(self, severity: Severity) -> float:
        """Tickets: one false one a year is expected at most. Pages: the contract's budget a year."""
        checks = timedelta(days=365) / self.cadence + 365
        streams = 2 * (len(self.profile.features) + 1) * (len(_RATES) + 18) if severity == "ticket" else 2
        return evidence.threshold(checks * streams, 1.0 if severity == "ticket" else self.budget)


def judge(counts: Counts, bench: Bench, scale: Scale) -> list[Finding]:
    """What is found in a window (data only: values have a daily season) or in a whole day (all)."""
    found: list[Finding] = []
    for bins, cells in zip(bench.profile.features, counts.cells, strict=True):
        found += _emptied(bins, cells, scale) or ([] if bench.carried else _rates(bins, cells, bench))
        if scale == "day" and not bench.carried:
            found += _drift(bins, cells, bench, "feature-drift")
    if scale == "day" and not bench.carried:
        if bench.profile.scores is not None:
            found += _drift(bench.profile.scores, counts.scores, bench, "score-drift")
        found += _lost(counts, bench)
    return found + _degraded(counts)


def measured_effects(days: Sequence[Counts], profile: Profile) -> Effects:
    """Design effects of every stream over a version's earlier days; empty when there are too few."""
    whole = [day for day in days if day.rows >= ENOUGH]
    if len(whole) < DAYS:
        return Effects()
    found = {}
    for index, bins in enumerate(profile.features):
        found[bins.name] = _cell_effect([day.cells[index] for day in whole], bins)
    if profile.scores is not None:
        found[profile.scores.name] = _cell_effect([day.scores for day in whole], profile.scores)
    for name in sorted({name for day in whole for name in day.moments}):
        found[f"loss:{name}"] = _loss_effect(whole, name)
    return Effects(found)


def _cell_effect(days: Sequence[Ints], bins: Bins) -> float:
    """The largest effect over the column's location and its more common cells."""
    effects, rows = [1.0], [int(day.sum()) for day in days]
    total = sum(days[1:], days[0])
    for cell in range(len(total)):
        share = float(total[cell]) / max(1, int(total.sum()))
        if all(rows) and share >= 0.02:
            effects.append(evidence.design_effect([day[cell] / day.sum() for day in days], rows, share * (1 - share)))
    present = [evidence.present(day) for day in days]
    reference = reference_of(bins)
    places = [evidence.location(day, reference) for day in days] if bins.kind == "number" else [None]
    means = [place for place in places if place is not None]
    if len(means) == len(days):
        effects.append(evidence.design_effect(means, present, evidence.midranks(reference)[1]))
    return max(effects)


def _loss_effect(days: Sequence[Counts], name: str) -> float:
    moments = [day.moment(name) for day in days if day.moment(name).n >= 2]
    within = sum((m.variance or 0.0) * m.n for m in moments) / max(1, sum(m.n for m in moments))
    return evidence.design_effect([m.mean or 0.0 for m in moments], [m.n for m in moments], within)


def _emptied(bins: Bins, cells: Ints, scale: Scale) -> list[Finding]:
    """A column that has no value any more: no statistics needed.

    One that lacks some in training may lack all for a night; only a day of many rows says more.
    """
    rows, reference = int(cells.sum()), reference_of(bins)
    if rows < 20 or cells[MISSING] < rows or not reference.sum():
        return []
    before = float(reference[MISSING] / reference.sum())
    if before > _MOSTLY:
        return []
    if before > _AT_TIMES and (scale == "window" or rows * (1 - before) < ENOUGH):
        return []
    sentence = f"{bins.name} is missing in all {rows} rows; in training it was in {before:.1%}"
    return [Finding("empty-column", bins.name, "page", sentence, None)]


def _rates(bins: Bins, cells: Ints, bench: Bench) -> list[Finding]:
    found: list[Finding] = []
    reference, rows = reference_of(bins), int(cells.sum())
    if rows < ENOUGH or not reference.sum():
        return found
    for word, (cell, margin, relative) in _RATES.items():
        deviation, limit = _beyond(cells, reference, cell, (margin, relative), bench.effects.of(bins.name))
        if deviation > bench.threshold("ticket"):
            sentence = (
                f"{bins.name} is {word} in {cells[cell] / rows:.1%} of {rows} rows; training had "
                f"{reference[cell] / reference.sum():.1%}, up to {limit:.1%} is expected "
                f"({deviation:.1f} standard errors beyond; {bench.effects.said(bins.name)})"
            )
            found.append(Finding("data-quality", bins.name, "ticket", sentence, deviation))
    return found


def _beyond(
    cells: Ints, reference: Ints, cell: int, margins: tuple[float, float], effect: float
) -> tuple[float, float]:
    hits, size = int(reference[cell]), int(reference.sum())
    limit = evidence.rate_limit(hits, size, z=_Z, margin=margins[0], relative=margins[1])
    return evidence.rate_deviation(int(cells[cell]), int(cells.sum()), limit) / math.sqrt(effect), limit


def _drift(bins: Bins, cells: Ints, bench: Bench, kind: str) -> list[Finding]:
    """The strongest sign that a column has moved: as a whole, or into one cell."""
    reference, rows = reference_of(bins), int(cells.sum())
    if rows < ENOUGH or not reference.sum():
        return []
    effect = bench.effects.of(bins.name)
    signs = [_moved(bins, cells, reference, effect)]
    signs += [(_beyond(cells, reference, cell, _BIN, effect)[0], _where(bins, cell)) for cell in range(16)]
    deviation, words = max(signs)
    if deviation <= bench.threshold("ticket"):
        return []
    psi = evidence.psi(cells, reference)
    sentence = (
        f"{bins.name} has moved against training in {rows} rows: {words} ({deviation:.1f} standard errors beyond "
        f"chance and margin; {bench.effects.said(bins.name)}; PSI {psi:.2f})"
    )
    return [Finding(kind, bins.name, "ticket", sentence, deviation)]


def _moved(bins: Bins, cells: Ints, reference: Ints, effect: float) -> tuple[float, str]:
    place, known = evidence.location(cells, reference), evidence.present(reference)
    if bins.kind != "number" or place is None:
        return 0.0, ""
    _, variance = evidence.midranks(reference)
    limit = 0.5 + _Z * math.sqrt(variance / known) + _LOCATION
    rows = evidence.present(cells)
    up, down = (
        evidence.mean_deviation(mean, limit, rows=rows, variance=variance, reach=0.5) / math.sqrt(effect)
        for mean in (place, 1 - place)
    )
    word = "larger" if up >= down else "smaller"
    return max(up, down), f"a value is {word} than one of training with chance {max(place, 1 - place):.0%}"


def _where(bins: Bins, cell: int) -> str:
    if bins.kind != "number":
        return (
            f"more rows are '{bins.categories[cell]}'" if cell < len(bins.categories) else "more rows are rare values"
        )
    if cell + 1 >= len(bins.edges):
        return "more rows lie in one bin"
    return f"more rows lie between {bins.edges[cell]:.4g} and {bins.edges[cell + 1]:.4g}"


def _lost(counts: Counts, bench: Bench) -> list[Finding]:
    name, margin = _LOSSES[bench.task]
    known = bench.summary.get("metrics", {}).get(name)
    up = -1.0 if name == "accuracy" else 1.0
    found = _worse(counts, name, known, bench, (up, margin, "loss"))
    value = bench.summary.get("value")
    if value and bench.task != "regression":
        known = {"value": value["per_decision"], "low": value["low"], "high": value["high"]}
        found += _worse(counts, "gain", known, bench, (-1.0, 0.0, "value"))
    return found


def _worse(
    counts: Counts, name: str, known: Mapping[str, float] | None, bench: Bench, what: tuple[float, float, str]
) -> list[Finding]:
    """A mean that is worse than in the evaluation.

    Assumes enough rows for the mean's own error to be known (the central limit theorem), and that the matured labels
    that are here stand for those that are not; with a coverage under a half nobody is woken for it.
    """
    sign, margin, kind = what
    moments = counts.moment(name)
    if known is None or moments.n < GRADED or moments.mean is None or moments.error is None:
        return []
    slack = _Z_LABELLED * (known["high"] - known["low"]) / 3.92 + max(margin, 0.05 * abs(known["value"]))
    beyond = sign * (moments.mean - known["value"]) - slack
    stream = f"loss:{name}"
    error = moments.error * math.sqrt(bench.effects.of(stream))
    deviation = min(beyond / error, LARGEST) if error else LARGEST if beyond > 0 else 0.0
    coverage = counts.tally("labelled") / max(1, counts.tally("matured"))
    if deviation <= bench.threshold("page"):
        return []
    shown = "gain per decision" if name == "gain" else name
    sentence = (
        f"{shown} is {moments.mean:.4g} on {moments.n} matured predictions ({coverage:.0%} of labels are here); the "
        f"evaluation said {known['value']:.4g} ({deviation:.1f} standard errors beyond; {bench.effects.said(stream)})"
    )
    harm = _harm(moments.n, known["value"], moments.mean, error) if name == "gain" else None
    return [Finding(kind, None, "page" if coverage >= 0.5 else "ticket", sentence, deviation, harm=harm)]


def _harm(rows: int, promised: float, mean: float, error: float) -> Harm:
    """What a day of so many decisions gained less than was promised."""
    short, half = rows * (promised - mean), 1.96 * rows * error
    return Harm(short, short - half, short + half, abs(promised) * rows or None)


def _degraded(counts: Counts) -> list[Finding]:
    """Answers that the model did not give: counted, not estimated."""
    rungs = counts.named("rung")
    lower = counts.rows - rungs.get("full", 0)
    if counts.rows < 20 or lower <= 0.05 * counts.rows:
        return []
    words = ", ".join(f"{n} {rung}" for rung, n in sorted(rungs.items()) if rung != "full")
    sentence = f"{lower} of {counts.rows} answers were not the model's: {words}"
    return [Finding("degraded", None, "page" if lower > 0.5 * counts.rows else "ticket", sentence, None)]
