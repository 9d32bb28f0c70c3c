"""Point-in-time lookups over a whole history, beside Polars, DuckDB and pandas on the same files.

`python benchmarks/features/history.py L` takes one million decisions and ten million facts, `M` a tenth of both, `S` a
hundredth. DuckDB is no dependency of ours; it is measured when it is there:
`uv pip install --target benchmarks/.peers duckdb`.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from outlast.cli import MEMORY

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import _report  # noqa: E402

PEERS = HERE.parent / ".peers"
SIZES = {"S": (10_000, 100_000, 1_000), "M": (100_000, 1_000_000, 10_000), "L": (1_000_000, 10_000_000, 100_000)}
DAY = 86_400 * 1_000_000
START = 1_700_000_000_000_000
ROUNDS = 3
Runs = dict[str, list[dict[str, float]]]


def generate(folder: Path, size: str) -> None:
    """Decisions and facts over 60 days, each entity's facts all over them; doubles without any pattern."""
    asked, told, entities = SIZES[size]
    rng = np.random.default_rng(7)
    moments = START + np.sort(rng.integers(0, 60 * DAY, told))
    facts = {
        "id": np.arange(told),
        "who": rng.integers(0, entities, told),
        "at": moments,
        "x": rng.normal(50, 20, told),
    }
    _moments(pl.DataFrame(facts), "at").write_parquet(folder / "facts.parquet")
    who = rng.integers(0, entities + entities // 100, asked)  # one in a hundred was never heard of
    asks = {"ask": np.arange(asked), "who": who, "t": START + np.sort(rng.integers(0, 60 * DAY, asked))}
    _moments(pl.DataFrame(asks), "t").write_parquet(folder / "asks.parquet")


def generate_wide(folder: Path) -> None:
    """17,000 decisions, and as many facts of 250 columns: 1,000 features over four widths."""
    rng = np.random.default_rng(8)
    rows, entities = 17_000, 500
    facts = {"id": np.arange(rows), "who": rng.integers(0, entities, rows)}
    facts["at"] = START + np.sort(rng.integers(0, 60 * DAY, rows))
    facts |= {f"v{i}": rng.normal(50, 20, rows) for i in range(250)}
    _moments(pl.DataFrame(facts), "at").write_parquet(folder / "facts.parquet")
    asks = {
        "ask": np.arange(rows),
        "who": rng.integers(0, entities, rows),
        "t": START + rng.integers(0, 60 * DAY, rows),
    }
    _moments(pl.DataFrame(asks), "t").write_parquet(folder / "asks.parquet")


def _moments(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(name).cast(pl.Datetime("us", "UTC")))


def run(engine: str, question: str, folder: Path, answer: str = "-") -> dict[str, float]:
    """One engine in a process of its own."""
    command = [sys.executable, str(HERE / "_engines.py"), engine, question, str(folder), answer]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise SystemExit(f"{engine} could not answer '{question}': {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    """Peers beside us, and for all of them memory as our command line asks for it."""
    return {**MEMORY, **os.environ, "PYTHONPATH": str(PEERS)}


def engines(question: str) -> list[str]:
    """Ours and the peers that can answer and are installed."""
    sys.path.append(str(PEERS))
    wanted = ["outlast", "polars", "duckdb", *(["pandas"] if question == "latest" else [])]
    there = [name for name in wanted if name == "outlast" or find_spec(name) is not None]
    for name in set(wanted) - set(there):
        print(f"{name} is not installed: {question} is measured without it")
    return there


def compare(question: str, folder: Path, names: list[str]) -> None:
    """Every engine's answers against ours, before anything is timed; and ours against `math.fsum`."""
    answers = {}
    for name in names:
        path = folder / f"{question}-{name}.parquet"
        run(name, question, folder, str(path))
        answers[name] = pl.read_parquet(path)
        path.unlink()
    ours = answers.pop("outlast")
    for name, theirs in answers.items():
        for column in ours.columns:
            _close(f"{name}'s {column}", ours[column], theirs[column], exact=question == "latest")
    if question == "windows":
        _prove(folder, ours)


def _close(what: str, ours: pl.Series, theirs: pl.Series, *, exact: bool) -> None:
    empty = 0.0 if ours.name.startswith("sum") else None  # a sum of nothing is 0 here and null in SQL
    here, there = ours, theirs.cast(ours.dtype)
    here, there = (here.fill_null(0.0), there.fill_null(0.0)) if empty is not None else (here, there)
    same = (here == there) if exact or not here.dtype.is_float() else (here - there).abs() <= 1e-9 * here.abs() + 1e-6
    if not (same.fill_null(True).all() and (here.is_null() == there.is_null()).all()):
        raise SystemExit(f"{what} differs from ours: nothing is timed")


def _prove(folder: Path, ours: pl.DataFrame) -> None:
    """A sample of our sums, one fact after the other."""
    facts, asks = pl.read_parquet(folder / "facts.parquet"), pl.read_parquet(folder / "asks.parquet")
    facts = facts.with_columns(pl.col("at").to_physical())
    chosen = np.random.default_rng(9).choice(len(asks), 200, replace=False)
    asked = asks[chosen].with_columns(pl.col("t").to_physical())
    told = {who: part for (who,), part in facts.filter(pl.col("who").is_in(asked["who"].implode())).group_by("who")}
    for place, (_, who, t) in zip(chosen, asked.iter_rows(), strict=True):
        part = told.get(who, facts.clear())
        inside = part.filter((pl.col("at") < t) & (pl.col("at") >= t - 7 * DAY))["x"].to_list()
        if math.fsum(inside) != ours["sum_7d"][int(place)]:
            raise SystemExit(f"The sum of decision {place} is not exact")


def measure(question: str, folder: Path, names: list[str]) -> Runs:
    """The engines in turns, so that all meet the same machine."""
    found: Runs = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(run(name, question, folder))
    return found


def row(question: str, name: str, runs: list[dict[str, float]]) -> list[str]:
    seconds, mib = [r["seconds"] for r in runs], [r["mib"] for r in runs]
    return [question, name, _report.spread(seconds), f"{median(mib):,.0f}"]


def ratio(runs: Runs) -> float:
    """The fastest peer's median over ours."""
    best = min((median(r["seconds"] for r in found) for name, found in runs.items() if name != "outlast"))
    return best / median(r["seconds"] for r in runs["outlast"])


def bars(found: dict[str, Runs]) -> dict[str, bool]:
    """What was promised and whether it held."""
    peak = {question: max(r["mib"] for r in runs["outlast"]) for question, runs in found.items()}
    return {
        "latest at most 1.3 times the fastest engine's time": ratio(found["latest"]) >= 1 / 1.3,
        "latest under 1,500 MiB": peak["latest"] < 1_500,
        "windows 3 times as fast as the fastest engine": ratio(found["windows"]) >= 3,
        "17,000 x 1,000 under 2 s and 1,024 MiB": max(r["seconds"] for r in found["wide"]["outlast"]) < 2
        and peak["wide"] < 1_024,
    }


def main() -> int:
    size = sys.argv[1] if len(sys.argv) > 1 else "M"
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        generate(folder, size)
        for question in ("latest", "windows"):
            names = engines(question)
            compare(question, folder, names)
            found[question] = measure(question, folder, names)
        generate_wide(folder)
        found["wide"] = measure("wide", folder, ["outlast"])
    return tell(size, found)


def tell(size: str, found: dict[str, Runs]) -> int:
    asked, told, entities = SIZES[size]
    rows = [row(question, name, runs) for question, by in found.items() for name, runs in by.items()]
    says = bars(found)
    missed = [bar for bar, held in says.items() if not held]
    text = (
        f"{asked:,} decisions, {told:,} facts, {entities:,} entities; `windows` is count, sum and mean over 1 h, 1 d "
        f"and 7 d; `wide` is 17,000 decisions x 1,000 features. Seconds include reading Parquet; median "
        f"(least–greatest) of {ROUNDS} fresh processes.\n\n"
        + _report.table(["question", "engine", "seconds", "peak MiB"], rows)
        + f"\n\nTimes as fast as the fastest engine: latest {ratio(found['latest']):.2f}, "
        f"windows {ratio(found['windows']):.2f}."
    )
    peers = [name for name in ("duckdb", "polars", "pandas", "numpy") if name in {*found["latest"], "numpy"}]
    bar = "; ".join(says) if not missed else "; ".join(missed)
    page = HERE / "README.md"
    machine = _report.where(*peers)
    return _report.conclude(f"history {size}", found=text, bar=bar, held=not missed, machine=machine, page=page)


if __name__ == "__main__":
    sys.exit(main())
