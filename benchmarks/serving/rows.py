"""Measures single rows over HTTP, one worker on one core and wrk on the other: Outlast, its peers, and the bare limits.

Outlast does its whole path: validation, one lookup of 20 values, a function of 13 expressions, model, journal, metrics.
The
others get the thirteen columns that the estimator reads. All answers of the first 64 questions are compared before.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from _project import churn
from _report import conclude, spread, table, where
from _sides import PEERS, VERSIONS, compare, hall
from _wrk import Side, need_wrk, settle

RUNS = 3
CONNECTIONS = (64, 16, 1)


def main() -> int:
    need_wrk()
    with churn() as project, hall(project) as here, tempfile.TemporaryDirectory() as scratch:
        found = [here.outlast(), here.bare("uvicorn"), here.bare("granian"), here.mlflow(), *map(here.peer, PEERS)]
        compare(found)
        scripts = [side.script(Path(scratch)) for side in found]
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                for side, script in zip(found, scripts, strict=True):
                    settle(found)
                    side.measure(script, connections)
    return _conclude(found)


def _conclude(found: list[Side]) -> int:
    rows = [
        (f"{side.name}, {count} connections", spread([one.a_second for one in loads], "{:,.0f}"),
         spread([one.p50 for one in loads]), spread([one.p99 for one in loads]),
         spread([one.cpu for one in loads], "{:,.0f}"))
        for count in CONNECTIONS
        for side in found
        for loads in [side.runs[count]]
    ]  # fmt: skip
    rate = [{c: median(one.a_second for one in side.runs[c]) for c in CONNECTIONS} for side in found]
    quick = [median(one.p50 for one in side.runs[1]) for side in found]
    ours, uvicorn, granian, mlflow, *peers = rate
    best = {c: max(peer[c] for peer in peers) for c in CONNECTIONS}
    ratios = [
        (f"{c} connections", *(f"{ours[c] / one[c]:.2f}" for one in (uvicorn, granian)),
         *(f"{ours[c] / one[c]:.1f}" for one in (mlflow, best)))
        for c in CONNECTIONS
    ]  # fmt: skip
    told = table(("server", "answers a second", "p50 ms", "p99 ms", "CPU µs an answer"), rows)
    told += "\n\n" + table(
        (
            "Outlast's answers a second",
            "of bare uvicorn's",
            "of bare Granian's",
            "times MLflow's",
            "times the best peer's",
        ),
        ratios,
    )
    of_mlflow, of_best = quick[3] / quick[0], min(quick[4:]) / quick[0]
    told += f"\n\nOne connection: p50 is 1/{of_mlflow:.1f} of MLflow's and 1/{of_best:.1f} of the best peer's."
    held = of_mlflow >= 12 and of_best >= 8
    for c in (64, 16):
        held = (
            held
            and ours[c] >= 0.5 * max(uvicorn[c], granian[c])
            and ours[c] >= 40 * mlflow[c]
            and ours[c] >= 22 * best[c]
        )
    bar = (
        "at 64 and 16 connections half of both bare limits, 40 times MLflow and 22 times the best peer; at one, a p50 "
        "of a twelfth of MLflow's and an eighth of the best peer's."
    )
    packages = ("mlflow", "scikit-learn", "onnxruntime", "polars", "uvicorn", "msgspec")
    machine = f"{where(*packages)[:-1]}; {VERSIONS}."
    return conclude("rows", found=told, bar=bar, held=held, machine=machine, page=FOLDER / "README.md")


if __name__ == "__main__":
    sys.exit(main())
