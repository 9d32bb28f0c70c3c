"""Experiment 8: performance before labels, against NannyML's CBPE on its own data sets."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from _peers import ask
from _said import Result, binomial_interval

from outlast.data import profile as profiles
from outlast.data.past import HOUR, LossScale, Past, Reference, past_of
from outlast.monitoring.estimating import Estimate, Live, Matured, Widening, estimate, rehearsed
from outlast.training.watching.harm import harm_tree, looked_at, worst_pairs

SETS = ("car loan", "commute", "housing", "employment", "card")
ROWS = 2_000
LATE = 2
"""Windows until labels are here, where they come at all."""
NOT_ASKED = {"id", "timestamp", "period", "year", "y_pred", "index", "__index_level_0__"}
PROBABILITY = "y_pred_proba"


@dataclass
class Window:
    """One window of one data set: what was expected by whom, and what turned out."""

    metric: str
    ours: float
    theirs: float
    real: float
    low: float
    high: float
    their_width: float


class Set:
    """A data set of NannyML's as a version and its answers."""

    def __init__(self, folder: Path, name: str, target: str) -> None:
        self.reference, self.analysis = (
            pl.read_parquet(folder / f"{name}-{part}.parquet") for part in ("reference", "analysis")
        )
        self.target, self.several = target, name == "card"
        self.task = "multiclass" if self.several else "binary"
        self.columns = [
            column for column in self.reference.columns
            if column not in NOT_ASKED | {target} and not column.startswith(PROBABILITY)
        ]  # fmt: skip
        known = self.reference.height
        scores = self.scores(self.reference)
        self.profile = profiles.build(self.asked(self.reference), scores, threshold=None if self.several else 0.5)
        at = np.arange(known) * (24 * HOUR // ROWS)
        rows = self.rows(self.reference, at)
        places = looked_at(known, 0)
        cells, mills = rows.cells[places], rows.mills[places]
        learnt = LossScale("error", ["no", "yes"]), harm_tree(cells, mills), worst_pairs(cells, mills)
        self.past: Past = past_of(tuple(self.profile.names), rows, learnt, every=lambda: (at, rows.cells), seed=0)

    def asked(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(self.columns)

    def scores(self, frame: pl.DataFrame) -> np.ndarray:
        if self.several:
            return frame.select(c for c in frame.columns if c.startswith(PROBABILITY)).to_numpy().max(axis=1)
        return frame[PROBABILITY].to_numpy().astype(float)

    def rows(self, frame: pl.DataFrame, at: np.ndarray) -> Reference:
        scores = self.scores(frame)
        wrong = (frame["y_pred"] != frame[self.target]).to_numpy()
        side = ~wrong if self.several else frame[self.target].to_numpy() > 0
        cells, placed = profiles.cells(self.profile, self.asked(frame)), profiles.score_cells(self.profile, scores)
        sides = side.astype(np.int64)
        return Reference(at, cells, placed, scores, sides.astype(float), sides, sides, 1000 * wrong.astype(np.int64))

    def counted(self, rows: Reference) -> tuple[Live, Matured]:
        leaves = self.past.tree.leaves(rows.cells)
        cells = np.stack([np.bincount(column, minlength=20) for column in rows.cells.T]).astype(np.int64)
        outcomes, mills = np.zeros((20, 2), np.int64), np.zeros((32, 20, 2), np.int64)
        np.add.at(outcomes, (rows.score_cells, rows.sides), 1)
        np.add.at(mills, (leaves, rows.score_cells), np.stack([np.ones_like(rows.mills), rows.mills], axis=1))
        return Live(cells, mills[..., 0]), Matured(outcomes, mills)


def windows(one: Set, told: dict, labels: bool) -> list[Window]:
    """Every window, with the labels of those before it where they come."""
    seen: list[tuple[Estimate, Reference, Matured]] = []
    found: list[Window] = []
    widening = rehearsed(one.past)
    begin = 0
    for place, end in enumerate(told["ends"]):
        rows = one.rows(one.analysis[begin : end + 1], np.arange(end + 1 - begin))
        begin = end + 1
        if len(rows.at) < ROWS // 2:
            continue
        live, later = one.counted(rows)
        matured, widening = _known(seen, widening) if labels else (None, widening)
        guess = estimate(one.past, one.task, live, matured, widening=widening)
        if not isinstance(guess, Estimate):
            seen.append((None, rows, later))
            continue
        seen.append((guess, rows, later))
        found += _windows(one, guess, rows, {metric: told[metric][place] for metric in told if metric in REAL},
                          {metric: width[place] for metric, width in told["width"].items()})  # fmt: skip
    return found


def _known(seen: list, widening: Widening) -> tuple[Matured | None, Widening]:
    """The labels that have come, and what the newest of them says of the widths."""
    here = seen[: max(0, len(seen) - LATE + 1)]
    if not here:
        return None, widening
    guess, rows, _ = here[-1]
    if guess is not None:
        widening = widening.seen(guess.loss.value - rows.mills.mean() / 1000, guess.half_width)
    newest = [one for _, _, one in here[-10:]]
    return Matured(sum(one.outcomes for one in newest), sum(one.mills for one in newest)), widening


def _area(rows: Reference) -> float:
    yes, order = rows.sides == 1, np.argsort(rows.scores, kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    values, place, count = np.unique(rows.scores, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=ranks) / count
    total = mean[place][yes].sum() - yes.sum() * (yes.sum() + 1) / 2
    return float(total / (yes.sum() * (~yes).sum())) if len(values) > 1 else 0.5


REAL = {"accuracy": lambda rows: 1 - rows.mills.mean() / 1000, "roc_auc": _area}


def _windows(one: Set, guess: Estimate, rows: Reference, theirs: dict, width: dict) -> list[Window]:
    loss = guess.loss
    ours = {"accuracy": (1 - loss.value, 1 - loss.high, 1 - loss.low)}
    if "roc_auc" in guess.figures:
        auc = guess.figures["roc_auc"]
        ours["roc_auc"] = (auc.value, auc.low, auc.high)
    return [
        Window(metric, ours[metric][0], theirs[metric], float(REAL[metric](rows)), *ours[metric][1:], width[metric])
        for metric in theirs
    ]


def experiment_8(quick: bool) -> list[Result]:
    sets = SETS[:3] if quick else SETS
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = ask("nannyml", {"sets": list(sets), "rows": ROWS, "folder": str(folder)}, script="nannyml_estimates")
        made = {one: Set(folder, one, told[one]["target"]) for one in sets}
    for labels in (False, True):
        found = {one: windows(made[one], told[one], labels) for one in sets}
        results += _results(found, f"labels {LATE} windows late" if labels else "no label ever")
    return results


def _results(found: dict[str, list[Window]], how: str) -> list[Result]:
    results = []
    for one, several in found.items():
        if not several:
            results.append(
                Result(8, f"{how}: {one}", "no window can be estimated, and each says why", "told", None, {})
            )
        for metric in dict.fromkeys(window.metric for window in several):
            mine = [window for window in several if window.metric == metric]
            ours, theirs = (np.mean([abs(getattr(w, who) - w.real) for w in mine]) for who in ("ours", "theirs"))
            held = sum(w.low <= w.real <= w.high for w in mine)
            their = sum(abs(w.theirs - w.real) <= w.their_width for w in mine)
            said = f"{ours:.4f}; CBPE {theirs:.4f}; covered {held} and {their} of {len(mine)}"
            results.append(Result(8, f"{how}: {one}, {metric}: mean error", said, "told", None,
                                  {"ours": ours, "theirs": theirs, "covered": held, "windows": len(mine)}))  # fmt: skip
    everything = [window for several in found.values() for window in several]
    better = sum(abs(w.ours - w.real) < abs(w.theirs - w.real) for w in everything)
    held = sum(w.low <= w.real <= w.high for w in everything)
    n = len(everything)
    shares = [(better, "nearer than CBPE", "at least 80 %", better >= 0.8 * n),
              (held, "intervals that cover", "87 to 95 %", 0.87 <= held / n <= 0.95)]  # fmt: skip
    for hits, what, bar, kept in shares:
        low, high = binomial_interval(hits, n)
        measured = f"{hits / n:.0%} of {n} ({low:.0%}–{high:.0%})"
        results.append(Result(8, f"{how}: windows with {what}", measured, bar, kept, {"hits": hits, "windows": n}))
    return results
