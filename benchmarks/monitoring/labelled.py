"""Experiments 6 and 10: what labels show, beside river's ADWIN, and one slice of a thousand."""

import math
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from _many import Many
from _peers import ask
from _said import Result, median_interval, said
from _worlds import everything, names

from outlast.data.profile import build, score_cells
from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

CHECK = 50
BEFORE = 20_000
SEA = {"8 to 9": (9.0, 600, 791), "8 to 7": (7.0, 550, 1703), "8 to 9.5": (9.5, 350, 311)}
RATES = (0.12, 0.15, 0.20, 0.30)
ROWS_PER_ALARM = 1e7


def sea(rng: np.random.Generator, rows: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """SEA (Street & Kim 2001) with a tenth of its labels turned."""
    x = rng.uniform(0, 10, size=(rows, 3))
    return x, (x[:, 0] + x[:, 1] <= theta) ^ (rng.random(rows) < 0.1)


def labelled_bank(features: dict[str, Table], log_threshold: float) -> Bank:
    """Loss and calibration with the shares they have beside all other families."""
    rng = np.random.default_rng(0)
    others = everything(rng, Table(names(100), rng.multinomial(50_000, np.full(20, 0.05), size=100)))
    bank = planned({**others, **features}, Budget()).pages
    kept = tuple(one for one in bank.families if one.source in features)
    return Bank("page", kept, log_threshold)


def sea_delays(theta: float, *, models: int, runs: int, after: int = 6000) -> tuple[list[float], list[np.ndarray]]:
    """Rows to our alarm by run, and the errors of each run for a peer."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    found, errors = [], []
    for model in range(models):
        rng = np.random.default_rng([6, model])
        x, y = sea(rng, BEFORE, 8.0)
        fitted = HistGradientBoostingClassifier(max_iter=100, random_state=model).fit(x, y)
        x, y = sea(rng, BEFORE, 8.0)
        profile = build(pl.DataFrame({"x": [0.0]}), fitted.predict_proba(x)[:, 1], threshold=0.5)
        tables = {name: Table((name,), counts[None]) for name, counts in _counts(profile, fitted, x, y).items()}
        many = Many(labelled_bank(tables, math.log(ROWS_PER_ALARM / CHECK)), runs)
        streams = [_stream(rng, theta, after) for _ in range(runs)]
        scored = [_scored(profile, fitted, *stream) for stream in streams]
        errors += [wrong for _, _, wrong in scored]
        mine = [math.inf] * runs
        for check in range((BEFORE + after) // CHECK):
            rows = slice(check * CHECK, (check + 1) * CHECK)
            counts = [_tables(cells[rows], yes[rows], wrong[rows]) for cells, yes, wrong in scored]
            step = {name: np.stack([one[name] for one in counts])[:, None] for name in counts[0]}
            for copy, _ in many.step(step, check * HOUR):
                if check * CHECK >= BEFORE:
                    mine[copy] = min(mine[copy], (check + 1) * CHECK - BEFORE)
        found += mine
    return found, errors


def experiment_6(quick: bool) -> list[Result]:
    models, runs = (1, 10) if quick else (5, 20)
    results = []
    for what, (theta, bar, known) in SEA.items():
        found, errors = sea_delays(theta, models=models, runs=runs)
        theirs = adwin(np.stack(errors))
        middle = median_interval(found)[0]
        results.append(
            Result(6, f"SEA {what}: median rows; ADWIN's beside it", f"{said(found)}; ADWIN {said(theirs)}",
                   f"at most {bar:,}", middle <= bar, {"ours": found, "adwin": theirs, "adwin noted before": known})
        )  # fmt: skip
    return results + _bernoulli(quick)


def adwin(errors: np.ndarray, start: int = BEFORE) -> list[float]:
    """Rows from `start` to river's first alarm in each stream."""
    return [math.inf if rows is None else float(rows) for _, rows in _asked(errors, start)]


def log_peaks(copies: int, rows: int, seed: int = 66) -> np.ndarray:
    """The largest evidence of each null stream of so many rows at .10."""
    rng = np.random.default_rng(seed)
    weights, priors = _error_weights(rng.binomial(BEFORE, 0.10, size=copies))
    r, peak = np.zeros_like(weights[:, 0]), np.zeros(copies)
    for _ in range(rows // CHECK):
        lost = rng.binomial(CHECK, 0.10, size=copies)[:, None]
        r = (r + 1) * np.exp((CHECK - lost) * weights[:, 0] + lost * weights[:, 1])
        peak = np.maximum(peak, (r * priors).sum(axis=1))
    return np.log(peak)


def error_delays(rate: float, log_threshold: float, copies: int, seed: int = 67) -> tuple[list[float], np.ndarray]:
    """Rows to our alarm after the rate moved, and each stream's errors, 20,000 rows of .10 before."""
    rng, after = np.random.default_rng([seed, int(rate * 1000)]), 40_000 if rate < 0.14 else 8000
    weights, priors = _error_weights(rng.binomial(BEFORE, 0.10, size=copies))
    errors = rng.random((copies, BEFORE + after)) < np.where(np.arange(BEFORE + after) < BEFORE, 0.10, rate)
    lost = errors.reshape(copies, -1, CHECK).sum(axis=2)
    r, found = np.zeros_like(weights[:, 0]), np.full(copies, math.inf)
    for check in range(lost.shape[1]):
        now = lost[:, check, None]
        r = (r + 1) * np.exp((CHECK - now) * weights[:, 0] + now * weights[:, 1])
        over = np.log((r * priors).sum(axis=1)) >= log_threshold
        r[over] = 0
        if check * CHECK >= BEFORE:
            found = np.where(over, np.minimum(found, (check + 1) * CHECK - BEFORE), found)
            if np.isfinite(found).all():
                break
    return found.tolist(), errors


def _bernoulli(quick: bool) -> list[Result]:
    """At the false-alarm rate that ADWIN was measured to have, each with the same rows before."""
    copies, length = (40, 50_000) if quick else (300, 100_000)
    rng = np.random.default_rng(68)
    calm = rng.random((copies, length)) < 0.10
    alarms = sum(early for early, _ in _asked(calm, length))
    rate = max(alarms, 1) / (copies * length)
    null = 200 if quick else 2000
    peaks = np.sort(log_peaks(null, length))
    equal = float(peaks[max(0, math.floor(null * math.exp(-rate * length)) - 1)])
    results = [
        Result(6, "error .10, nothing moves: ADWIN's alarms; the log threshold at which ours has as many",
               f"{alarms} in {copies * length / 1e6:.0f} M rows; {equal:.1f}", "told", None,
               {"alarms": alarms, "rows": copies * length, "log threshold": equal,
                "shipped log threshold": math.log(ROWS_PER_ALARM / CHECK)})
    ]  # fmt: skip
    for moved in RATES:
        ours, errors = error_delays(moved, equal, 20 if quick else 200)
        shipped, _ = error_delays(moved, math.log(ROWS_PER_ALARM / CHECK), 20 if quick else 200)
        theirs = adwin(errors)
        ratio = median_interval(ours)[0] / median_interval(theirs)[0]
        allowed = 0.85 if moved >= 0.20 else 1.05
        results.append(
            Result(6, f"error .10 to {moved:.2f} at ADWIN's measured false-alarm rate: median rows",
                   f"{said(ours)}; ADWIN {said(theirs)}; with the proven bound {said(shipped)}",
                   f"at most {allowed:.2f} of ADWIN's", ratio <= allowed,
                   {"ratio": ratio, "ours": ours, "adwin": theirs, "proven": shipped})
        )  # fmt: skip
    return results


def _error_weights(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[copy, cell, bet] of loss streams with references of their own, and the bets' weights."""
    table = Table(names(len(hits)), np.stack([np.full(len(hits), BEFORE), 1000 * hits], axis=1))
    (one,) = planned({"loss": table}, Budget()).pages.families
    return one.weights(0), one.bets.weight


def _asked(errors: np.ndarray, start: int) -> list[tuple[int, int | None]]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "streams.npy"
        np.save(path, np.packbits(errors, axis=1))
        return ask("river", {"streams": str(path), "length": errors.shape[1], "start": start})


def _stream(rng: np.random.Generator, theta: float, after: int) -> tuple[np.ndarray, np.ndarray]:
    (x, y), (u, v) = sea(rng, BEFORE, 8.0), sea(rng, after, theta)
    return np.concatenate([x, u]), np.concatenate([y, v])


def _scored(profile, fitted, x, y):
    scores = fitted.predict_proba(x)[:, 1]
    return score_cells(profile, scores), y, (scores >= 0.5) != y


def _tables(cells, yes, wrong) -> dict[str, np.ndarray]:
    flat = np.bincount(cells.astype(np.int64) * 2 + yes, minlength=40)
    return {"calibration": flat.reshape(20, 2), "loss": np.array([len(cells), 1000 * int(wrong.sum())])}


def _counts(profile, fitted, x, y) -> dict[str, np.ndarray]:
    return _tables(*_scored(profile, fitted, x, y))


def slice_delays(watched: int, *, runs: int, rows: int = 1000, seed: int = 10) -> list[float]:
    """Rows of all traffic until the slice, 2 % of it, is named whose error went from .1 to .2."""
    rng = np.random.default_rng([seed, watched])
    reference = 200_000
    n = rng.binomial(reference, 0.02, size=watched)
    hits = rng.binomial(n, 0.1)
    n[0], hits[0] = 4000, 400  # the slice's own reference is the same however many are beside it
    table = Table(names(watched), np.stack([n, 1000 * hits], axis=1))
    features = Table(names(100), rng.multinomial(50_000, np.full(20, 0.05), size=100))
    bank = planned({**everything(rng, features), "slices": table}, Budget()).pages
    many = Many(Bank("page", tuple(one for one in bank.families if one.name == "slices"), bank.log_threshold), runs)
    found = [math.inf] * runs
    for check in range(24 + 400):
        seen = rng.binomial(rows, 0.02, size=(runs, watched))
        rate = np.full(watched, 0.1)
        rate[0] = 0.1 if check < 24 else 0.2
        counts = np.stack([seen, 1000 * rng.binomial(seen, rate)], axis=-1)
        for copy, alarmed in many.step({"slices": counts}, check * HOUR):
            if check >= 24 and "slices: f0" in alarmed:
                found[copy] = min(found[copy], (check - 23) * rows)
        if check >= 24 and all(map(math.isfinite, found)):
            break
    return found


def experiment_10(quick: bool) -> list[Result]:
    runs = 20 if quick else 200
    many, one = slice_delays(1000, runs=runs), slice_delays(1, runs=runs)
    ratio = median_interval(many)[0] / median_interval(one)[0]
    return [
        Result(10, "slice of 2 %, error .1 to .2, 1,000 watched against it alone: median rows of all traffic",
               f"{said(many)} against {said(one)}: x {ratio:.2f}", "at most x 1.6", ratio <= 1.6,
               {"thousand": many, "alone": one}),
    ]  # fmt: skip
