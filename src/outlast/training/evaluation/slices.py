"""Parts of the test rows where the model does worse: those the contract names, and the worst that a search finds.

The search looks at one half of the test rows and the figures come from the other half: the worst of hundreds of slices
looks bad by luck alone, and only rows that had no part in choosing it can say how bad it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.errors import ContractError, nearest
from outlast.project.contract import Contract
from outlast.training.evaluation.cuts import Cut, crossed, cut
from outlast.training.evaluation.intervals import Floats, Grouped, Groups, Z, areas, mean_of, means
from outlast.training.evaluation.metrics import MAIN, METRICS, metrics_of, with_interval
from outlast.training.evaluation.value import Scored, worths
from outlast.types import SMALLER_IS_BETTER, Task, counted

FEWEST = 50
"""Rows below which nothing is said of a slice."""
FEWEST_OF_A_KIND = 10
"""As many of yes and of no, where both are needed."""
FOUND = 5
_DECLARED_MOST = 30
_SEARCHED = 30_000
"""Rows that the search looks at, at most: enough to see any slice worth mending."""
_PAIRED = 8
"""Columns of which pairs are tried: those where some slice looks worst."""
_MUCH_THE_SAME = 0.5
_DOUBT = 1.64


@dataclass(frozen=True, eq=False)
class _Figures:
    """The figure of any group of some rows (for rmse and r2 the mean square), and the money of all rows."""

    name: str
    scored: Scored
    gain: Floats | None
    chosen: npt.NDArray[np.bool_]
    of: Grouped

    @property
    def sign(self) -> int:
        """What makes a larger figure a worse one."""
        return 1 if self.name in {*SMALLER_IS_BETTER, "r2"} else -1


def _figures(name: str, scored: Scored, gain: Floats | None, chosen: npt.NDArray[np.bool_]) -> _Figures:
    y, table = scored.y[chosen], scored.table[chosen]
    of = areas(y, table[:, 1]) if name == "roc_auc" else means(_losses(name, scored.task, y, table))
    return _Figures(name, scored, gain, chosen, of)


def slices_of(scored: Scored, declared: list[str], seed: int) -> dict[str, Any]:
    """The declared slices and the worst found ones, each with its metric and its money on rows it was not chosen by."""
    name = metric_of(scored.contract, scored.task)
    pair = worths(scored)
    gain = None if pair is None else pair[0] - pair[1]
    whole = np.ones(len(scored.y), dtype=np.bool_)
    figures = _figures(name, scored, gain, whole)
    cuts = {column: cut(scored.rows[column]) for column in _columns(scored.rows)}
    named = [cuts.get(column) or cut(scored.rows[column]) for column in declared]
    items = [item for one in named for item in _declared(figures, one, seed)]
    return {
        "metric": name,
        "rows": len(scored.y),
        "whole": _metric(figures, whole, seed),
        "fewest": FEWEST,
        "slices": [*items, *_found(figures, cuts, seed)],
    }


def metric_of(contract: Contract, task: Task) -> str:
    """The metric that slices, trials and features are judged by: the gate's, or the task's main one."""
    return contract.gate.metric or MAIN[task]


def require_columns(contract: Contract, rows: pl.DataFrame, task: Task) -> None:
    """Refuse slices of columns that are not there, and a metric that the task has not, before hours of fitting."""
    known, metric = _named(rows), contract.gate.metric
    if metric is not None and metric not in METRICS[task]:
        raise ContractError(
            f"outlast.toml: 'gate.metric' is '{metric}', which is no metric of a {task} model: "
            f"{nearest(metric, METRICS[task])}"
        )
    for name in contract.gate.slices:
        if name not in known:
            raise ContractError(
                f"outlast.toml: 'gate.slices' names the column '{name}', which is neither an ask nor a feature: "
                f"{nearest(name, known)}"
            )


def require_floors(contract: Contract, task: Task) -> None:
    """Refuse a floor under a figure that the task does not have."""
    for name, floor in contract.gate.floors.model_dump().items():
        if floor is not None and name not in (*METRICS[task], "value"):
            raise ContractError(
                f"outlast.toml: 'gate.floors' asks for {name}, which a {task} model does not have: expected "
                f"{', '.join(METRICS[task])} or value"
            )


def _named(rows: pl.DataFrame) -> list[str]:
    return [name for name in rows.columns if not name.startswith("__")]


def _columns(rows: pl.DataFrame) -> list[str]:
    return [name for name in _named(rows) if not rows.schema[name].is_temporal()]


def _losses(name: str, task: Task, y: npt.NDArray[Any], table: Floats) -> Floats:
    """A figure per row whose mean over a group is its metric, or moves as it does."""
    if task == "regression":
        distance: Floats = np.abs(y - table[:, 0])
        return distance if name == "mae" else distance * distance
    if name == "accuracy":
        return np.asarray(table.argmax(axis=1) == y, dtype=np.float64)
    if name == "brier":
        return np.asarray(np.square(table[:, 1] - y), dtype=np.float64)
    return np.asarray(-np.log(np.clip(table[np.arange(len(y)), y.astype(np.int64)], 1e-15, 1.0)), dtype=np.float64)


def _declared(figures: _Figures, found: Cut, seed: int) -> list[dict[str, Any]]:
    sizes = np.bincount(found.codes[found.codes >= 0], minlength=len(found.says))
    order = [int(one) for one in np.argsort(-sizes, kind="stable") if sizes[one]]
    shown = [_item(figures, found, one, seed, found=False) for one in order[:_DECLARED_MOST]]
    if len(order) > _DECLARED_MOST:
        rest = order[_DECLARED_MOST:]
        says = f"{len(rest)} other values of {found.columns[0]}"
        shown.append(_silent(found, says, int(sizes[rest].sum()), f"only the {_DECLARED_MOST} largest are judged"))
    return shown


def _silent(cut: Cut, says: str, rows: int, reason: str) -> dict[str, Any]:
    return {"columns": list(cut.columns), "says": says, "rows": rows, "metric": None, "value": None, "reason": reason,
            "found": False}  # fmt: skip


def _item(figures: _Figures, cut: Cut, code: int, seed: int, *, found: bool) -> dict[str, Any]:
    here = (cut.codes == code) & figures.chosen
    lacking = _lacking(figures, here)
    if lacking is not None:
        return {**_silent(cut, cut.says[code], int(here.sum()), lacking), "found": found}
    return {
        "columns": list(cut.columns),
        "says": cut.says[code],
        "rows": int(here.sum()),
        "metric": _metric(figures, here, seed),
        "value": None if figures.gain is None else mean_of(figures.gain[here]),
        "reason": None,
        "found": found,
    }


def _lacking(figures: _Figures, here: npt.NDArray[np.bool_]) -> str | None:
    """What a slice lacks to be judged."""
    rows = int(here.sum())
    if rows < FEWEST:
        return f"{counted(rows, 'row')}, too few to say: {FEWEST} are needed"
    yes = int(figures.scored.y[here].sum()) if figures.name == "roc_auc" else rows
    if figures.name == "roc_auc" and min(yes, rows - yes) < FEWEST_OF_A_KIND:
        return f"{yes:,} yes and {rows - yes:,} no, too few to say: {FEWEST_OF_A_KIND} of each are needed"
    return None


def _metric(figures: _Figures, here: npt.NDArray[np.bool_], seed: int) -> dict[str, float] | None:
    """The metric of some rows and its interval, without draws where there is a formula."""
    if figures.name == "r2":
        y, table = figures.scored.y[here], figures.scored.table[here]
        return with_interval(metrics_of(figures.scored.task, y, table)["r2"], len(y), seed)
    one = figures.of(np.where(here, 0, -1)[figures.chosen], 1)
    value, half = float(one.value[0]), Z * float(one.error[0])
    if not np.isfinite(value):
        return None
    half = half if np.isfinite(half) else 0.0
    ends = [value, value - half, value + half]
    if figures.name == "rmse":
        ends = [max(end, 0.0) ** 0.5 for end in ends]
    elif figures.name in ("roc_auc", "accuracy"):
        ends = [min(max(end, 0.0), 1.0) for end in ends]
    return dict(zip(("value", "low", "high"), ends, strict=True))


def _found(figures: _Figures, cuts: Mapping[str, Cut], seed: int) -> list[dict[str, Any]]:
    """The worst slices of one half of the rows, measured on the other."""
    half = np.random.default_rng(seed).random(len(figures.scored.y)) < 0.5
    looked = half.copy()
    looked[np.flatnonzero(half)[_SEARCHED:]] = False
    if looked.sum() < 2 * FEWEST:
        return []
    worst = _Search(_figures(figures.name, figures.scored, None, looked)).worst(cuts)
    other = _figures(figures.name, figures.scored, figures.gain, ~half)
    whole = other.of(np.zeros(int((~half).sum()), dtype=np.int64), 1)
    return [_confirmed(other, whole, cut, code, seed, len(worst)) for cut, code in worst]


def _confirmed(figures: _Figures, whole: Groups, cut: Cut, code: int, seed: int, tried: int) -> dict[str, Any]:
    """A found slice on the other half; confirmed where it is worse there beyond the luck of as many as were found."""
    from scipy.special import ndtri  # a server does not wait for it

    item = _item(figures, cut, code, seed, found=True)
    if item["reason"] is not None:
        return {**item, "confirmed": False}
    here = figures.of(np.where(cut.codes == code, 0, -1)[figures.chosen], 1)
    gap = float(here.value[0] - whole.value[0]) * figures.sign
    return {**item, "confirmed": bool(gap > float(ndtri(1 - 0.025 / tried)) * float(here.error[0]))}


class _Search:
    """The worst slices of the rows looked at: of single columns first, then of pairs of the worst columns."""

    def __init__(self, figures: _Figures) -> None:
        self._figures, self._rows = figures, figures.chosen
        whole = figures.of(np.zeros(int(self._rows.sum()), dtype=np.int64), 1)
        self._whole = float(whole.value[0])
        self._y = figures.scored.y[self._rows]

    def worst(self, cuts: Mapping[str, Cut]) -> list[tuple[Cut, int]]:
        """The worst slices, the worst first, none of them mostly made of another's rows."""
        single = [(harm, cut, code) for cut in cuts.values() for harm, code in self._harms(cut)]
        single.sort(key=lambda one: -one[0])
        columns = list(dict.fromkeys(cut.columns[0] for _, cut, _ in single))[:_PAIRED]
        pairs = [
            (harm, both, code)
            for one, other in combinations(columns, 2)
            for both in [crossed(cuts[one], cuts[other])]
            for harm, code in self._harms(both)
        ]
        kept: list[tuple[Cut, int]] = []
        for harm, found, code in sorted([*single, *pairs], key=lambda one: (-one[0], len(one[1].columns))):
            if harm <= 0 or len(kept) == FOUND:
                break
            if not any(self._alike(found, code, *one) for one in kept):
                kept.append((found, code))
        return kept

    def _harms(self, cut: Cut) -> list[tuple[float, int]]:
        """By how much each slice is surely worse than the whole, at the near end of its interval."""
        codes, count = cut.codes[self._rows], len(cut.says)
        found = self._figures.of(codes, count)
        gap = (found.value - self._whole) * self._figures.sign
        sure = np.where(found.rows >= FEWEST, gap - _DOUBT * found.error, np.nan)
        if self._figures.name == "roc_auc":
            yes = np.bincount(codes[codes >= 0], self._y[codes >= 0], count)
            sure = np.where(np.minimum(yes, found.rows - yes) >= FEWEST_OF_A_KIND, sure, np.nan)
        return [(float(harm), int(code)) for code, harm in enumerate(sure) if np.isfinite(harm) and harm > 0]

    def _alike(self, one: Cut, code: int, other: Cut, its: int) -> bool:
        a, b = (one.codes == code)[self._rows], (other.codes == its)[self._rows]
        return bool((a & b).sum() > _MUCH_THE_SAME * (a | b).sum()) or bool((a & b).sum() == a.sum())
