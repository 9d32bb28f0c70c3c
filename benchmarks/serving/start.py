"""Measures from a command to the first answer, and the memory held after 200: Outlast, MLflow and the bare limit."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from _http import Connection
from _project import Churn, churn
from _report import conclude, spread, table, where
from _sides import Hall, hall
from _wrk import Side, memory

RUNS, ASKED = 3, 200


def started(project: Churn, start: Callable[[Hall], Side]) -> tuple[float, float, str]:
    """Seconds until a server answered, megabytes it holds after some answers, and its name."""
    with hall(project, before=()) as here:
        begin = time.monotonic()
        side = start(here)
        connection = Connection(side.port, side.path)
        connection.ask(side.bodies[0])
        took = time.monotonic() - begin
        for turn in range(ASKED):
            connection.ask(side.bodies[turn % len(side.bodies)])
        connection.close()
        return took, memory(side.process), side.name


def main() -> int:
    starts: list[Callable[[Hall], Side]] = [Hall.outlast, Hall.bare, Hall.mlflow]
    with churn() as project:
        runs = [[started(project, start) for start in starts] for _ in range(RUNS)]
    columns = list(zip(*runs, strict=True))
    rows = [
        (some[0][2], spread([one[0] for one in some]), spread([one[1] for one in some], "{:.0f}")) for some in columns
    ]
    (ours, our_memory), _, (theirs, their_memory) = (
        (median(one[0] for one in some), median(one[1] for one in some)) for some in columns
    )
    told = table(("started by its command", "seconds to the first answer", "MB held"), rows)
    told += (
        f"\n\nOutlast starts in {ours / theirs:.2f} of MLflow's time, in {our_memory / their_memory:.2f} of its memory."
    )
    held = ours <= theirs / 4 and our_memory <= their_memory / 2
    bar = "a quarter of MLflow's start, half of its memory."
    machine = where("mlflow", "scikit-learn", "onnxruntime", "polars")
    return conclude("start", found=told, bar=bar, held=held, machine=machine, page=FOLDER / "README.md")


if __name__ == "__main__":
    sys.exit(main())
