"""Measures how long `outlast --help` takes beside `mlflow --help`, and that `import outlast` loads no heavy library."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from _report import conclude, spread, table, where

RUNS, BAR = 7, 20.0
HEAVY = {"mlflow", "sklearn", "pandas"}
COMMANDS = {name: [str(Path(sys.executable).parent / name), "--help"] for name in ("outlast", "mlflow")}
LOADED = "import outlast, sys; print(*{name.partition('.')[0] for name in sys.modules})"


def seconds(command: list[str]) -> float:
    """How long a whole process takes, from its start to its end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> int:
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(RUNS + 1):
        for name, command in COMMANDS.items():  # in turn, so that both meet the same machine
            taken[name].append(seconds(command))
        if run == 0:
            taken = {name: [] for name in COMMANDS}  # the first filled the file cache
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    heavy = HEAVY & set(done.stdout.split())
    ratios = [slow / quick for slow, quick in zip(taken["mlflow"], taken["outlast"], strict=True)]
    rows = [(f"`{name} --help`", spread([1000 * one for one in times], "{:.0f}")) for name, times in taken.items()]
    found = table(
        ("whole process, ms", f"median (least–greatest) of {RUNS}"),
        [*rows, ("times as fast", spread(ratios, "{:.1f}"))],
    )
    bar = f"at least {BAR:.0f} times as fast, and `import outlast` loads none of mlflow, sklearn, pandas"
    bar += f" (it loads {', '.join(sorted(heavy))})." if heavy else "."
    return conclude(
        "help", found=found, bar=bar, held=median(ratios) >= BAR and not heavy, machine=where("mlflow", "typer")
    )


if __name__ == "__main__":
    sys.exit(main())
