"""Measures a server with two workers beside one with one, no variable set: single rows and a hundred in a request.

Nothing is pinned, and wrk takes its part of the cores: on two of them two workers cannot be twice as quick.
"""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))
from _http import Connection
from _project import churn
from _report import conclude, spread, table, where
from _sides import compare, hall
from _wrk import Load, Side, need_wrk, settle

RUNS, LARGE = 5, 100
CONNECTIONS = (64, 16, 1)
KINDS = {1: "single rows", LARGE: f"{LARGE} rows a request"}


def main() -> int:
    need_wrk()
    sides: dict[tuple[int, int], Side] = {}
    with churn() as project, ExitStack() as opened, tempfile.TemporaryDirectory() as scratch:
        for workers in (1, 2):
            for size in KINDS:
                here = opened.enter_context(hall(project, at_once=size, workers=workers, before=()))
                sides[size, workers] = replace(here.outlast(), name=f"{KINDS[size]}, workers: {workers}")
        for size in KINDS:
            compare([sides[size, workers] for workers in (1, 2)])
        scripts = {key: side.script(Path(scratch)) for key, side in sides.items()}
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                for key, side in sides.items():
                    settle(list(sides.values()))
                    side.measure(scripts[key], connections, before=())
        drawn = _drawn(sides[1, 2])
    return _conclude(sides, drawn)


def _conclude(sides: dict[tuple[int, int], Side], drawn: str) -> int:
    rows = [_row(side.name, count, side.runs[count]) for count in CONNECTIONS for side in sides.values()]
    rate = {
        (key, count): median(one.a_second for one in side.runs[count])
        for key, side in sides.items()
        for count in CONNECTIONS
    }
    ratios = {(size, c): rate[(size, 2), c] / rate[(size, 1), c] for size in KINDS for c in CONNECTIONS}
    found = table(("server", "answers a second", "p50 ms", "p99 ms", "CPU µs an answer"), rows)
    lines = [(f"{KINDS[size]}, {count} connections", f"{ratio:.2f}") for (size, count), ratio in ratios.items()]
    found += "\n\n" + table(("two workers' answers a second", "times one worker's"), lines)
    found += f"\n\nOf 64 connections that are kept, the two workers had {drawn}."
    slower = [(size, count) for size in KINDS for count in CONNECTIONS if _slower(sides, size, count)]
    held = not slower and ratios[1, 64] >= 1.2
    bar = (
        "nowhere is every run of two workers slower than every run of one, and at 64 connections two are at least 1.2 "
        "times as quick with single rows."
    )
    machine = where("onnxruntime", "polars", "uvicorn", "msgspec")
    page = Path(__file__).parent / "README.md"
    return conclude("workers", found=found, bar=bar, held=held, machine=machine, page=page)


def _slower(sides: dict[tuple[int, int], Side], size: int, count: int) -> bool:
    """Whether two workers are slower than one by more than the runs differ among themselves."""
    one, two = ([load.a_second for load in sides[size, workers].runs[count]] for workers in (1, 2))
    return max(two) < min(one)


def _row(side: str, count: int, loads: list[Load]) -> tuple[str, ...]:
    a_second, cpu = (spread([getattr(one, name) for one in loads], "{:,.0f}") for name in ("a_second", "cpu"))
    p50, p99 = (spread([getattr(one, name) for one in loads]) for name in ("p50", "p99"))
    return f"{side}, {count} connections", a_second, p50, p99, cpu


def _drawn(side: Side) -> str:
    """How 64 kept connections fall on the workers."""
    held = [Connection(side.port, side.path) for _ in range(64)]
    for one in held:
        one.ask(side.bodies[0])
    found = _established(side.port)
    for one in held:
        one.close()
    return " and ".join(map(str, sorted(found, reverse=True)))


def _established(port: int) -> list[int]:
    """How many connections to a port each process has, by what the system says of sockets."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]]
    inodes = {one[9] for one in lines if one[1].endswith(f":{port:04X}") and one[3] == "01"}
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            links = [str(one.readlink()) for one in folder.iterdir()]
        except OSError:
            continue  # it ended, or is another's
        count = sum(link.removeprefix("socket:[").removesuffix("]") in inodes for link in links)
        if count:
            found.append(count)
    return found


if __name__ == "__main__":
    sys.exit(main())
