"""The experiments of the watch, in one command: `python benchmarks/monitoring/run.py [--only N ...] [--quick]`.

Results go into results/ and, beside their bars, into README.md. Misses are written down as they are.
"""

import argparse
import os
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import causes  # noqa: E402
import cost  # noqa: E402
import estimates  # noqa: E402
import harm  # noqa: E402
import labelled  # noqa: E402
import late  # noqa: E402
import life  # noqa: E402
import null  # noqa: E402
import power  # noqa: E402
from _report import where  # noqa: E402
from _said import keep, lines, page  # noqa: E402

EXPERIMENTS = {
    1: null.experiment_1,
    2: life.experiment_2,
    3: life.experiment_3,
    4: null.experiment_4,
    5: power.experiment_5,
    6: labelled.experiment_6,
    7: harm.experiment_7,
    8: estimates.experiment_8,
    9: late.experiment_9,
    10: lambda quick: [*labelled.experiment_10(quick), *causes.experiment_10_causes(quick)],
    11: cost.experiment_11,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="small, for a look; README.md is left alone")
    parser.add_argument("--windows", type=int, default=100, help="windows that peers are timed and counted on")
    given = parser.parse_args()
    cost.WINDOWS = life.WINDOWS = given.windows
    missed = 0
    for number in given.only:
        begun = time.perf_counter()
        results = EXPERIMENTS[number](given.quick)
        seconds = time.perf_counter() - begun
        print(f"\nExperiment {number}, {seconds:.0f} s\n\n{lines(results)}", flush=True)
        if not given.quick:
            keep(results, f"{where()} {seconds:.0f} s.")
        missed += sum(one.held is False for one in results)
    if not given.quick:
        page()
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
