"""Measures a server with two workers beside one with one, no variable set: single rows and large requests, by wrk.

Both servers have all cores, and wrk takes its part of them: on two cores two workers cannot be twice as quick.
"""

import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import rows  # noqa: E402
from _http import Connection, free_port, server  # noqa: E402
from _project import ENVIRONMENT, MODEL, OUTLAST, churn  # noqa: E402
from _report import conclude, spread, table, where  # noqa: E402

CONNECTIONS, RUNS, LARGE = (64, 16, 1), 3, 100
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def main() -> int:
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")
    rows.PINNED.clear()
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in _THREADS}
    path = f"/predict/{MODEL}"
    with churn() as project, ExitStack() as opened, tempfile.TemporaryDirectory() as scratch:
        questions = project.questions()
        large = [{"rows": questions[n : n + LARGE]} for n in range(0, len(questions) - LARGE, 37)]
        bodies = {"single rows": questions, f"{LARGE} rows a request": large}
        sides: dict[tuple[str, int], rows.Side] = {}
        for workers in (1, 2):
            port = free_port()
            command = [OUTLAST, "serve", "--port", str(port), "--workers", str(workers)]
            process = opened.enter_context(
                server(command, port, folder=project.folder, environment=environment, ready="/readyz")
            )
            for kind, asked in bodies.items():
                name = f"{kind}, {workers} worker{'s' * (workers > 1)}"
                sides[kind, workers] = rows.Side(name, port, path, process.pid, asked, lambda a: a["score"], {})
        rows.compare([side for (kind, _), side in sides.items() if kind == "single rows"])
        scripts = {kind: _script(Path(scratch), kind, asked, path) for kind, asked in bodies.items()}
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                for (kind, _), side in sides.items():
                    side.measure(scripts[kind], connections)
        balance = _spread(sides["single rows", 2].port, path, questions)
    told = [
        (f"{side.name}, {count} connections", spread([one.a_second for one in loads], "{:,.0f}"),
         spread([one.p50 for one in loads]), spread([one.p99 for one in loads]),
         spread([one.cpu for one in loads], "{:,.0f}"))
        for count in CONNECTIONS
        for side in sides.values()
        for loads in [side.runs[count]]
    ]  # fmt: skip
    ratios = {
        (kind, count): median(one.a_second for one in sides[kind, 2].runs[count])
        / median(one.a_second for one in sides[kind, 1].runs[count])
        for kind in bodies
        for count in CONNECTIONS
    }
    found = table(("server", "answers a second", "p50 ms", "p99 ms", "CPU µs an answer"), told)
    lines = [(f"{kind}, {count} connections", f"{ratio:.2f}") for (kind, count), ratio in ratios.items()]
    found += "\n\n" + table(("two workers' answers a second", "times one worker's"), lines)
    found += f"\n\nOf 64 connections, {balance} were the workers'."
    held = min(ratios.values()) >= 1.0 and ratios["single rows", 64] >= 1.2
    bar = "two workers are never slower than one, and at 64 connections at least 1.2 times as quick with single rows."
    packages = ("onnxruntime", "polars", "uvicorn", "msgspec")
    return conclude("workers", found=found, bar=bar, held=held, machine=where(*packages), page=FOLDER / "README.md")


def _script(scratch: Path, kind: str, asked: list[object], path: str) -> Path:
    bodies, script = scratch / f"{kind[:3]}.jsonl", scratch / f"{kind[:3]}.lua"
    bodies.write_text("\n".join(json.dumps(body) for body in asked), "utf-8")
    script.write_text(rows.ROTATE % (bodies, path), "utf-8")
    return script


def _spread(port: int, path: str, questions: list[object]) -> str:
    """How 64 kept connections fall on the workers, by the sockets that each has."""
    held = [Connection(port, path) for _ in range(64)]
    for one in held:
        one.ask(questions[0])
    found = _established(port)
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
