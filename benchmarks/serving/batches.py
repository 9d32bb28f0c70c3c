"""Measures 100 rows in one request over 16 connections, one worker on one core and wrk on the other: Outlast, peers."""

import sys
import tempfile
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from _project import churn
from _report import conclude, spread, table, where
from _sides import PEERS, VERSIONS, compare, hall
from _wrk import need_wrk, settle

RUNS, ROWS, CONNECTIONS = 3, 100, 16


def main() -> int:
    need_wrk()
    with churn() as project, hall(project, at_once=ROWS) as here, tempfile.TemporaryDirectory() as scratch:
        found = [here.outlast(), here.mlflow(), *map(here.peer, PEERS)]
        compare(found)
        scripts = [side.script(Path(scratch)) for side in found]
        for _ in range(RUNS):
            for side, script in zip(found, scripts, strict=True):
                settle(found)
                side.measure(script, CONNECTIONS)
    rows = [
        (side.name, spread([one.a_second for one in loads], "{:,.0f}"), spread([one.p50 for one in loads]),
         spread([one.p99 for one in loads]), spread([one.cpu / ROWS for one in loads], "{:,.0f}"))
        for side in found
        for loads in [side.runs[CONNECTIONS]]
    ]  # fmt: skip
    ours, *others = (median(one.a_second for one in side.runs[CONNECTIONS]) for side in found)
    ratio = ours / max(others)
    told = table(("server", "requests a second", "p50 ms", "p99 ms", "CPU µs a row"), rows)
    told += f"\n\nOutlast answers {ratio:.1f} times as many as the best of the others."
    bar = "3.5 times the requests of the best peer."
    machine = f"{where('mlflow', 'scikit-learn', 'onnxruntime', 'polars')[:-1]}; {VERSIONS}."
    return conclude("batches", found=told, bar=bar, held=ratio >= 3.5, machine=machine, page=FOLDER / "README.md")


if __name__ == "__main__":
    sys.exit(main())
