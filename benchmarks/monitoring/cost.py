"""Experiment 11: replicas add to the same bits, and what a year costs beside Evidently and NannyML."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _peers import ask
from _said import Result
from _worlds import YEAR, draw, mixed

from outlast.data.profile import CELLS, build, cells
from outlast.monitoring.counting.counts import cell_counts
from outlast.monitoring.detecting.keeping import to_bytes
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.tables import HOUR, Table

WINDOWS, ROWS = 100, 200
PAST = 26 * 168
"""Hours of the reference."""


def merged(replicas: int = 16, hours: int = 24, rows: int = 4000, streams: int = 20) -> bool:
    """Rows of each hour go to replicas, arrive shuffled and some twice; one process sees them once, in order."""
    rng = np.random.default_rng(11)
    shares, kinds = mixed(streams)
    counts = np.round(shares * 50_000).astype(np.int64)
    plan = planned({"features": Table(tuple(f"f{i}" for i in range(streams)), counts, kinds=kinds)}, Budget())
    one = many = plan.tickets.begin()
    for hour in range(hours):
        found = np.stack([rng.choice(CELLS, size=rows, p=share) for share in shares], axis=1).astype(np.uint8)
        given = [row.tobytes() for row in found]
        alone, _ = cell_counts(given, streams)
        twice = np.concatenate([np.arange(rows), rng.choice(rows, size=rows // 10)])
        owner = rng.integers(replicas, size=len(twice))
        total, seen = np.zeros_like(alone), np.zeros(rows, bool)
        for replica in rng.permutation(replicas):
            mine = rng.permutation(twice[owner == replica])
            fresh = [place for place in dict.fromkeys(mine.tolist()) if not seen[place]]
            seen[fresh] = True
            total += cell_counts([given[place] for place in fresh], streams)[0]
        one, _ = plan.tickets.step(one, {"features": alone}, hour * HOUR)
        many, _ = plan.tickets.step(many, {"features": total}, hour * HOUR)
    return to_bytes(one) == to_bytes(many)


def year(checks: int, *, seasonal: bool = False, kept: bool = False, jumps: bool = True) -> dict[str, Any]:
    """CPU and peak memory of the detectors' own process."""
    rng = np.random.default_rng(12)
    shares, _ = mixed(100)
    with tempfile.TemporaryDirectory() as name:
        counts, past = Path(name) / "counts.npy", Path(name) / "past.npy"
        np.save(counts, np.concatenate([draw(rng, ROWS, shares, 365).astype(np.int16) for _ in range(checks // 365)]))
        np.save(past, draw(rng, ROWS, shares, PAST).astype(np.int16))
        how = ("seasonal" if seasonal else "even", "kept" if kept else "held", "jumps" if jumps else "none")
        command = [sys.executable, str(Path(__file__).parent / "_year.py"), str(counts), str(past), *how]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def ingest(rows: int = 500_000) -> tuple[float, float]:
    """ns a value from columns to cells and counts: of numbers, and of words."""
    rng = np.random.default_rng(13)
    numbers = pl.DataFrame({f"x{i}": rng.normal(size=rows) for i in range(6)})
    words = pl.DataFrame({f"w{i}": rng.choice([f"word{k}" for k in range(30)], size=rows) for i in range(3)})
    found = []
    for frame in (numbers, words):
        profile, times = build(frame), []
        for _ in range(5):
            begun = time.process_time()
            table = cells(profile, frame)
            for column in table.T:
                np.bincount(column, minlength=CELLS)
            times.append((time.process_time() - begun) / table.size * 1e9)
        found.append(float(np.median(times)))
    return found[0], found[1]


def raw(rng: np.random.Generator, rows: int, streams: int, moved: float = 0.0) -> pl.DataFrame:
    """Rows of the mixed features."""
    _, kinds = mixed(streams)
    columns = {}
    for place, kind in enumerate(kinds):
        words = [f"word{k}" for k in range(2 + place % 15)]
        share = 1 / np.arange(1, len(words) + 1)
        number = kind == "number"
        columns[f"f{place}"] = (
            rng.normal(moved, size=rows) if number else rng.choice(words, rows, p=share / share.sum())
        )
    return pl.DataFrame(columns)


def peers(reference: pl.DataFrame, windows: pl.DataFrame) -> dict[str, dict]:
    """What each peer flags in windows of raw rows, and what it costs."""
    with tempfile.TemporaryDirectory() as name:
        paths = {"reference": str(Path(name) / "reference.parquet"), "windows": str(Path(name) / "windows.parquet")}
        reference.write_parquet(paths["reference"])
        windows.write_parquet(paths["windows"])
        return {peer: ask(peer, paths) for peer in ("evidently", "nannyml")}


def experiment_11(quick: bool) -> list[Result]:
    checks, count = (730, 10) if quick else (YEAR, WINDOWS)
    same = merged()
    results = [Result(11, "16 replicas, out of order, a tenth twice: bits of the detectors' state",
                      "equal" if same else "differ", "equal to one process", same)]  # fmt: skip
    scale = YEAR / (checks // 365 * 365)
    ways = {
        "": {},
        ", every hour with its own expectation": {"seasonal": True},
        ", state written each time": {"kept": True},
        ", what peers ask: nothing of jumps against the last days": {"jumps": False},
    }
    years = {words: year(checks, **how) for words, how in ways.items()}
    plain, *_, alike = years.values()
    for words, found in years.items():
        seconds = found["seconds"] * scale
        held = seconds <= 10 and found["megabytes"] <= 200 if "kept" not in ways[words] else None
        measured, bar = (
            f"{seconds:.1f} s of CPU, {found['megabytes']:.0f} MB",
            "told" if held is None else "10 s, 200 MB",
        )
        results.append(Result(11, f"a year of hourly checks, 100 features{words}", measured, bar, held, found))
    before = plain["planning"]
    said = f"{before['seconds']:.1f} s of CPU, {before['megabytes']:.0f} MB"
    results.append(Result(11, "planning for them, once a version, from 26 weeks of past", said, "told", None, before))
    numbers, words_ = ingest(50_000 if quick else 500_000)
    each = f"{numbers:.0f}; {words_:.0f}"
    results.append(
        Result(11, "ingest in bulk, ns a value: numbers; words", each, "at most 60", max(numbers, words_) <= 60)
    )
    rng = np.random.default_rng(14)
    windows = raw(rng, ROWS * count, 100).with_columns(window=pl.Series(np.repeat(np.arange(count), ROWS)))
    for peer, found in peers(raw(rng, 10_000, 100), windows).items():
        whole = found["seconds"] * YEAR / count
        ratio = whole / (alike["seconds"] * scale)
        memory = found["megabytes"] / alike["megabytes"]
        results.append(Result(11, f"{peer}, {count} of these windows (reference 10,000 rows), extrapolated to a year",
                              f"{whole:,.0f} s of CPU, x {ratio:,.0f}; {found['megabytes']:,.0f} MB, x {memory:.1f}",
                              "x 100 each", ratio >= 100 and memory >= 100, found))  # fmt: skip
    return results
