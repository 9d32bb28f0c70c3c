"""Measures what evidence costs: seconds of `why`, what it adds to a training, and whether `reproduce` is right."""

import json
import subprocess
import sys
import time
from importlib.metadata import version as installed
from typing import Any

import msgspec
from _flights import MODEL, Flights, flights
from _outlast import ENVIRONMENT, OUTLAST
from _report import conclude, spread, table, where

from outlast.journal.journal import Journal
from outlast.journal.records import Origin
from outlast.project.workspace import Workspace
from outlast.serving.handle import open_model
from outlast.types import micros, now

TIMES = 5
SEALED, ROWS = 40, 5_000
BARE = ("features as known", "fit")
EVIDENCE = ("read sources", "prove functions", "evaluate", "bundle", "prove", "register")
"""Lineage, evaluation, proof and bundling; looking for leaks and compiling serve something else."""
ADDED_SHARE, ADDED_SECONDS, WHY_SECONDS = 0.30, 8.0, 1.0
OTHER = "scikit-learn==1.7.2" if installed("scikit-learn") != "1.7.2" else "scikit-learn==1.7.1"


def breakdown(project: Flights) -> tuple[bool, list[tuple[str, ...]]]:
    """Whether evidence adds no more than it may to a training, and the seconds of each step."""
    done = json.loads(project.run("train", "--json"))
    steps: dict[str, float] = done["seconds"]
    bare = sum(steps[name] for name in BARE)
    added = sum(steps[name] for name in EVIDENCE)
    lines = [(name, f"{seconds:.2f}", _counted(name)) for name, seconds in steps.items()]
    lines += [("the bare run", f"{bare:.2f}", ""), ("evidence", f"{added:.2f}", f"{added / bare:.0%}")]
    return added <= max(ADDED_SHARE * bare, ADDED_SECONDS), lines


def _counted(step: str) -> str:
    return "the bare run" if step in BARE else "evidence" if step in EVIDENCE else "neither"


def journal_of(project: Flights) -> str:
    """Many sealed answers over many days; the id of one in the middle."""
    place = Workspace.find(project.folder)
    handle = open_model(f"{MODEL}@latest", project.folder)
    (one,) = handle.answers([handle.example()])
    origin: Origin = handle._predictor
    begin, chosen = micros(now()) - SEALED * 86_400_000_000, ""
    with Journal(place) as journal:
        for batch in range(SEALED):
            start = begin + batch * 86_400_000_000
            moments = [start + n * 1_000_000 for n in range(ROWS)]
            rows = [msgspec.structs.replace(one, prediction_id=f"{at:014x}{at:016x}", at=at) for at in moments]
            journal.predictions(rows, origin, request_id=f"r{batch}", server="bench")
            journal.seal()
            chosen = rows[ROWS // 2].prediction_id if batch == SEALED // 2 else chosen
    return chosen


def why_seconds(project: Flights, subject: str) -> list[float]:
    """Seconds of the whole command, process and all."""
    found = []
    for _ in range(TIMES):
        started = time.perf_counter()
        project.run("why", subject)
        found.append(time.perf_counter() - started)
    return found


def reproduced(project: Flights, *words: str) -> dict[str, Any]:
    """What `reproduce` says; its exit status tells equal from different, and both are answers."""
    command = [OUTLAST, "reproduce", MODEL, "--json", *words]
    done = subprocess.run(command, cwd=project.folder, env=ENVIRONMENT, capture_output=True, text=True)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def verdicts(project: Flights) -> tuple[bool, list[tuple[str, ...]]]:
    """Whether a fresh environment gives equal bits, and each change is named."""
    pins = project.folder / "pins.txt"
    pins.write_text(OTHER + "\n", "utf-8")
    cases = {
        "as kept, a fresh environment": (None, ()),
        "the same, made before": (None, ()),
        f"another library, {OTHER}": ("environment", ("--environment", str(pins))),
        "another seed": ("seed", ("--seed", "77")),
    }
    held, lines = True, []
    for name, (cause, words) in cases.items():
        started = time.perf_counter()
        said = reproduced(project, *words)
        ok = said["equal"] is (cause is None) and said["cause"] == cause
        held &= ok
        found = "equal" if said["equal"] else f"different: {said['cause']}"
        lines.append((name, found, "yes" if ok else "NO", f"{time.perf_counter() - started:.0f}"))
    return held, lines


def main() -> int:
    with flights() as project:
        within, steps = breakdown(project)
        version, prediction = why_seconds(project, MODEL), why_seconds(project, journal_of(project))
        named, cases = verdicts(project)
    quick = max(sorted(version)[TIMES // 2], sorted(prediction)[TIMES // 2]) < WHY_SECONDS
    rows = [("of a version", spread(version)), (f"of one of {SEALED * ROWS:,} predictions", spread(prediction))]
    found = "\n\n".join(
        (
            table(("step of a training", "seconds", "counted as"), steps),
            table(("`why`", "seconds"), rows),
            table(("`reproduce`", "it says", "right", "seconds"), cases),
        )
    )
    return conclude(
        "evidence",
        found=found,
        bar="`why` takes under 1 s; evidence adds at most 30 % or 8 s to a training; every cause is named.",
        held=within and quick and named,
        machine=where("scikit-learn", "polars", "uv"),
    )


if __name__ == "__main__":
    sys.exit(main())
