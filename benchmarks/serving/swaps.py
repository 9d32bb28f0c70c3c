"""Measures 500 requests a second for a minute, open loop, without swaps and with 20 while a shadow stands beside.

Each request is timed from when it was due. Server and load have a processor each.
"""

import os
import sys
import threading
import time
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from _project import CONTRACT, MODEL, Churn, churn
from _report import conclude, table, where
from _sides import hall
from _wrk import Side

from outlast.gates.load import Offered, offer
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transition, transitions
from outlast.types import now

RATE, SECONDS, SWAPS = 500.0, 60.0, 20
SHADOW = 3


def versions(project: Churn) -> dict[int, str]:
    """Three versions, and the verdict that each has passed; the first is live in the end."""
    contract = project.folder / "outlast.toml"
    for seed in (7, 8):
        contract.write_text(CONTRACT.lstrip() + f"\n[training]\nseed = {seed}\n", "utf-8")
        project.run("train", "--quiet")
    for number in (2, 3, 1):
        project.run("promote", f"{MODEL}@{number}", "--quiet", "--reason", "to be measured")
    ledger = Workspace.find(project.folder).ledger
    return {
        one.to_version: one.verdict_digest
        for one in transitions(ledger, MODEL)
        if one.to_version and one.verdict_digest
    }


def swap(project: Churn, passed: dict[int, str], stop: threading.Event, done: list[int]) -> None:
    """Another version live every three seconds, and the shadow beside it again."""
    ledger = Workspace.find(project.folder).ledger
    begin = time.monotonic()
    for turn in range(SWAPS):
        stop.wait(max(0.0, begin + (turn + 0.5) * SECONDS / SWAPS - time.monotonic()))
        if stop.is_set():
            return
        to = 2 - turn % 2
        transition(ledger, MODEL, action="promote", to=to, by="bench", at=now(), verdict=passed[to])
        transition(ledger, MODEL, action="shadow", to=SHADOW, by="bench", at=now(), verdict=passed[SHADOW])
        done.append(to)


def run(side: Side) -> Offered:
    """A minute of requests."""
    return offer(f"http://127.0.0.1:{side.port}", side.path, side.bodies, RATE, SECONDS, within=1.0, seed=5)


def quantiles(found: Offered) -> tuple[float, float, float]:
    """p50, p99 and p99.9 in milliseconds."""
    known = sorted(found.answered)
    return tuple(known[int(share * len(known))] * 1000 for share in (0.5, 0.99, 0.999))  # type: ignore[return-value]


def main() -> int:
    with churn() as project:
        passed = versions(project)
        with hall(project) as here:
            side = here.outlast()
            if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
                os.sched_setaffinity(0, {1})
            run_in(side, seconds=3)
            still = run(side)
            done: list[int] = []
            stop = threading.Event()
            swapping = threading.Thread(target=swap, args=(project, passed, stop, done))
            swapping.start()
            moving = run(side)
            stop.set()
            swapping.join()
        served = len({(one["version"], one["since"]) for one in project.served()})
    rows, found = [], []
    for name, one in (("without swaps", still), (f"{len(done)} swaps and a shadow", moving)):
        found.append(quantiles(one))
        failed = sum(taken.status != 200 for taken in one.taken)
        rows.append((name, f"{len(one.taken):,}", str(failed), *(f"{value:.2f}" for value in found[-1])))
    told = table(("500 requests a second for 60 s", "asked", "failed", "p50 ms", "p99 ms", "p99.9 ms"), rows)
    told += f"\n\np99 with swaps is {found[1][1] / found[0][1]:.2f} times that without; `history` has {served} spans."
    failed = sum(taken.status != 200 for one in (still, moving) for taken in one.taken)
    held = len(done) == SWAPS and not failed and found[1][1] <= 2 * found[0][1] and found[1][1] < 10
    bar = "p99 at most twice that of the run without swaps and under 10 ms, no error."
    machine = where("onnxruntime", "polars", "uvicorn")
    return conclude("swaps", found=told, bar=bar, held=held, machine=machine, page=FOLDER / "README.md")


def run_in(side: Side, *, seconds: float) -> None:
    """Some requests before the first that is timed."""
    offer(f"http://127.0.0.1:{side.port}", side.path, side.bodies, RATE, seconds, within=1.0, seed=4)


if __name__ == "__main__":
    sys.exit(main())
