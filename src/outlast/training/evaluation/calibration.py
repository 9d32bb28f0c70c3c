"""Whether a chance of 30 % comes true three times in ten: bins, their error, and two ways in which chances are off."""

from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.training.evaluation.intervals import Z, mean_of, means, wilson
from outlast.training.evaluation.metrics import DRAWS

Floats = npt.NDArray[np.float64]
BINS = 10
_FEWEST = 20
"""Rows a bin should hold, so that few rows give few bins."""
_STEPS = 50
_TRUTHS = 101
_EDGE = 1e-6


def calibration(y: npt.NDArray[Any], p: Floats, seed: int) -> dict[str, Any]:
    """What was said (`p`, chances of yes) beside what happened (`y`, 0 or 1), on the same rows.

    `bins` hold equal numbers of rows, `error` is their mean distance (the expected calibration error), `large` is how
    much more often it happened than was said, `slope` is 1 where chances are right, below 1 where they are too bold;
    None where it cannot be known. All but the bins are {value, low, high} with 95 % intervals.
    """
    happened, said = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if not len(said) or len(said) != len(happened):
        raise ValueError(f"{len(said)} chances for {len(happened)} outcomes: expected as many, and one at least")
    place, count = _places(said)
    return {
        "rows": len(said),
        "bins": _bins(happened, said, place, count),
        "error": _error(happened - said, place, count, seed),
        "large": mean_of(happened - said),
        "slope": _slope(happened, said),
    }


def of_top_class(y: npt.NDArray[Any], table: Floats, seed: int) -> dict[str, Any]:
    """Calibration of several classes: of the chance given to the likeliest one, whichever it is."""
    return calibration(table.argmax(axis=1) == y, table.max(axis=1), seed)


def _places(said: Floats) -> tuple[npt.NDArray[np.int64], int]:
    """The bin of each row: bins of equal numbers of rows, fewer where chances are equal."""
    parts = int(np.clip(len(said) // _FEWEST, 1, BINS))
    inner = np.unique(np.quantile(said, np.linspace(0, 1, parts + 1)[1:-1]))
    _, place = np.unique(np.searchsorted(inner, said, side="right"), return_inverse=True)
    return place, int(place.max()) + 1


def _bins(happened: Floats, said: Floats, place: npt.NDArray[np.int64], count: int) -> list[dict[str, Any]]:
    found = []
    for one in range(count):
        here = place == one
        rows, yes = int(here.sum()), float(happened[here].sum())
        low, high = wilson(yes, rows)
        found.append(
            {
                "low": float(said[here].min()),
                "high": float(said[here].max()),
                "rows": rows,
                "predicted": float(said[here].mean()),
                "observed": yes / rows,
                "observed_low": low,
                "observed_high": high,
            }
        )
    return found


def _error(distance: Floats, place: npt.NDArray[np.int64], count: int, seed: int) -> dict[str, float]:
    """The mean distance of the bins, and all true distances that give such a figure no less rarely than once in forty.

    Luck alone puts bins off, so the figure is too large on average and draws around it would be larger still: truths
    of the same shape are tried one by one, each with the noise that the rows of its bins have.
    """
    seen = means(distance)(place, count)
    share, noise = seen.rows / len(distance), np.nan_to_num(seen.error)
    value = float(share @ np.abs(seen.value))
    shape = seen.value / value if value else np.ones(count)
    luck = noise * np.random.default_rng(seed).standard_normal((DRAWS, count))
    truths = np.linspace(0, value + 4 * float(share @ noise), _TRUTHS)
    drawn = np.array([np.abs(truth * shape + luck) @ share for truth in truths])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    fitting = truths[(low <= value) & (value <= high)]
    return {"value": value, "low": float(min([*fitting, value])), "high": float(max([*fitting, value]))}


def _slope(happened: Floats, said: Floats) -> dict[str, float] | None:
    """The slope of what happened on the log-odds of what was said (Cox, 1958), by Newton's method."""
    clipped = np.clip(said, _EDGE, 1 - _EDGE)
    odds = np.log(clipped / (1 - clipped))
    if happened.min() == happened.max() or np.ptp(odds) < _EDGE:
        return None
    design = np.column_stack([np.ones_like(odds), odds])
    found = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        weight = chance * (1 - chance)
        information = design.T @ (design * weight[:, None])
        if np.linalg.cond(information) > 1 / np.finfo(np.float64).eps:
            return None  # said and happened part completely: no slope is steep enough
        step = np.linalg.solve(information, design.T @ (happened - chance))
        found += step
        if np.abs(step).max() < 1e-9:
            spread = Z * float(np.sqrt(np.linalg.inv(information)[1, 1]))
            return {"value": float(found[1]), "low": float(found[1]) - spread, "high": float(found[1]) + spread}
    return None
