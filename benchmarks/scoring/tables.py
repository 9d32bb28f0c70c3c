"""Measures how fast a long table is scored, in how much memory, and what is lost when that is killed twenty times.

The reference is the bare estimator's `predict_proba` over the same rows, its thirteen columns there already. Outlast
reads the table, validates each row, looks twenty values up in the history, runs a function of thirteen expressions
and the model, decides, writes a table, and in one of the runs keeps every answer in the journal.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent
sys.path.insert(0, str(BENCHMARKS))
sys.path.insert(0, str(BENCHMARKS / "serving"))

import polars as pl  # noqa: E402
from _outlast import ENVIRONMENT, OUTLAST  # noqa: E402
from _project import MODEL, Churn, churn  # noqa: E402
from _report import conclude, table, where  # noqa: E402

from outlast.journal.reading import predictions  # noqa: E402
from outlast.project.workspace import Workspace  # noqa: E402

PAGE = Path(__file__).parent / "README.md"
KILLS, GROWN, SEED = 20, 1.3, 5
"""How often it is killed; how much more memory four times the rows may take."""


@dataclass(frozen=True)
class Run:
    """What one scoring took."""

    rows: int
    seconds: float
    processor: float
    memory: int


def asked(project: Churn, rows: int) -> Path:
    """So many questions, those of training over and over, each a second after the one before."""
    known = pl.read_parquet(project.folder / "asked.parquet")
    whole = pl.concat([known] * -(-rows // known.height)).head(rows)
    begin = known["at"].max()
    assert begin is not None
    at = pl.Series([begin + timedelta(microseconds=n) for n in range(rows)])  # type: ignore[operator]
    file = project.folder / f"table-{rows}.parquet"
    whole.with_columns(question=pl.int_range(10**6, 10**6 + rows), at=at).write_parquet(file)
    return file


def reference(project: Churn, source: Path) -> tuple[float, float]:
    """Seconds and processor seconds of `predict_proba` over the columns it reads."""
    sys.path.insert(0, str(project.folder))
    import model

    known = pl.read_parquet(project.folder / "asked.parquet")
    truth = pl.read_parquet(project.folder / "churned.parquet")["churned"].to_numpy() == 1
    fitted = model.fit(model.cleaned(known).to_pandas(), truth, 0)
    features = model.cleaned(pl.read_parquet(source)).to_pandas()
    fitted.predict_proba(features.head(1000))
    begin, processor = time.perf_counter(), time.process_time()
    fitted.predict_proba(features)
    return time.perf_counter() - begin, time.process_time() - processor


def score(project: Churn, source: Path, target: str, *more: str) -> Run:
    """One scoring, in a process of its own; the greatest memory is that of one process."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [OUTLAST, "score", MODEL, source.name, target, *more],
        cwd=project.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    memory = 0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        memory = max(memory, peak(process.pid))
        time.sleep(0.02)
    _, status, used = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"outlast score ended with {process.returncode}")
    rows = pl.scan_parquet(source).select(pl.len()).collect().item()
    return Run(rows, time.perf_counter() - begin, used.ru_utime + used.ru_stime, memory)


def peak(process: int) -> int:
    """The greatest memory so far of a process and of those it began; `ru_maxrss` would count what this one had."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it has just ended
        if "VmHWM" in told and process in (int(told["Pid"]), int(told["PPid"])):
            found = max(found, int(told["VmHWM"].split()[0]) * 1024)
    return found


def killed(project: Churn, source: Path, seconds: float) -> list[str]:
    """Score into one target after another, killed at random moments, until it was killed often enough; the targets."""
    draw, kills, targets = random.Random(SEED), 0, ["killed-0.parquet"]
    while True:
        command = [OUTLAST, "score", MODEL, source.name, targets[-1], "--record", "--workers", "2"]
        with subprocess.Popen(command, cwd=project.folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
            try:
                done = process.wait(draw.uniform(0.2, 1.0) * seconds if kills < KILLS else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
                continue
        if done:
            raise SystemExit(f"outlast score ended with {done}")
        if kills == KILLS:
            return targets
        targets.append(f"killed-{len(targets)}.parquet")


def wrong(project: Churn, target: str, unbroken: str) -> int:
    """Rows that are otherwise than in an unbroken run, and answers that the journal has not exactly once."""
    found, whole = (pl.read_parquet(project.folder / name) for name in (target, unbroken))
    differ = 0 if found.drop("prediction_id").equals(whole.drop("prediction_id")) else found.height
    kept = predictions(Workspace.find(project.folder), MODEL).select("prediction_id").collect()["prediction_id"]
    once = kept.filter(kept.is_in(found["prediction_id"].implode()))
    return differ + abs(len(once) - found.height) + (len(once) - once.n_unique())


def main() -> int:
    """Score, kill, compare, and write down what that took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=500_000)
    rows = options.parse_args().rows
    with churn() as project:
        source, small = asked(project, rows), asked(project, rows // 4)
        bare, bare_processor = reference(project, source)
        runs = {
            "one process": score(project, source, "one.parquet", "--no-record", "--workers", "1"),
            "every processor": score(project, source, "all.parquet", "--no-record"),
            "every processor, journalled": score(project, source, "kept.parquet", "--record"),
        }
        few = score(project, small, "small.parquet", "--no-record", "--workers", "1")
        unbroken = score(project, small, "unbroken.parquet", "--no-record")
        targets = killed(project, small, unbroken.seconds)
        lost = sum(wrong(project, target, "unbroken.parquet") for target in targets)
    lines = [("bare `predict_proba`", f"{rows / bare:,.0f}", f"{bare_processor / rows * 1e6:.1f}", "")]
    for name, run in runs.items():
        each = (f"{run.rows / run.seconds:,.0f}", f"{run.processor / run.rows * 1e6:.1f}", f"{run.memory / 1e6:,.0f}")
        lines.append((f"Outlast, {name}", *each))
    grown = runs["one process"].memory / few.memory
    found = table((f"{rows:,} rows", "rows a second", "CPU µs a row", "MB of the largest process"), lines)
    found += (
        f"\n\nFour times the rows took {grown:.2f} times the memory. Killed {KILLS} times, {len(targets)} runs "
        f"of {rows // 4:,} rows ended with {lost} otherwise than unbroken or not exactly once in the journal."
    )
    bar = f"nothing lost or doubled, and at most {GROWN} times the memory for four times the rows."
    held = lost == 0 and grown <= GROWN
    machine = where("polars", "scikit-learn", "deltalake")
    return conclude("tables", found=found, bar=bar, held=held, machine=machine, page=PAGE)


if __name__ == "__main__":
    sys.exit(main())
