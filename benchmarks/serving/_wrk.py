"""wrk against a server: answers a second, how long they took, and what they cost the server's processor."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 3
ONE_CORE = ["taskset", "-c", "0"] if shutil.which("taskset") else []
OTHER_CORE = ["taskset", "-c", "1"] if ONE_CORE else []
_ROTATE = """
local lines = {}
for line in io.lines("%s") do lines[#lines + 1] = line end
local turn = 0
request = function()
  turn = turn %% #lines + 1
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, lines[turn])
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk says of a run."""

    a_second: float
    p50: float
    p99: float
    cpu: float
    """Microseconds of the server's processor for each answer."""


@dataclass
class Side:
    """A server under measurement, what it is asked, and where the scores stand in its answers."""

    name: str
    port: int
    path: str
    process: int
    bodies: Sequence[Any]
    scores: Callable[[Any], list[float]]
    runs: dict[int, list[Load]] = field(default_factory=dict)

    def script(self, folder: Path) -> Path:
        """What wrk sends: the bodies in turn, so that no answer is the one before."""
        bodies, script = folder / f"{self.port}.jsonl", folder / f"{self.port}.lua"
        bodies.write_text("\n".join(json.dumps(body) for body in self.bodies), "utf-8")
        script.write_text(_ROTATE % (bodies, self.path), "utf-8")
        return script

    def measure(self, script: Path, connections: int, *, before: Sequence[str] = OTHER_CORE) -> None:
        """One run of wrk."""
        command = [*before, "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script)]
        spent = processor(self.process)
        said = subprocess.run([*command, f"http://127.0.0.1:{self.port}"], capture_output=True, text=True, check=True)
        spent = processor(self.process) - spent
        if "Non-2xx" in said.stdout:
            raise SystemExit(f"{self.name} refused requests:\n{said.stdout}")
        answered = int(re.search(r"(\d+) requests in", said.stdout)[1])  # type: ignore[index]
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said.stdout)[1])  # type: ignore[index]
        times = [_milliseconds(said.stdout, share) for share in ("50%", "99%")]
        self.runs.setdefault(connections, []).append(Load(rate, *times, spent / max(1, answered) * 1e6))


def settle(sides: Sequence[Side]) -> None:
    """Wait until no server works any more: what one still does for callers who left would slow the next."""
    for _ in range(600):
        before = sum(processor(side.process) for side in sides)
        time.sleep(0.1)
        if sum(processor(side.process) for side in sides) - before < 0.03:
            return
    raise SystemExit("A server still works a minute after it was last asked")


def need_wrk() -> None:
    """Say what is missing before anything is measured."""
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk: apt-get install wrk")


def processor(process: int) -> float:
    """Seconds of processor that a process and its children took."""
    total = 0.0
    for one in (process, *children(process)):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory(process: int) -> float:
    """Megabytes that a process and its children hold, what they share counted in part by each."""
    total = 0
    for one in (process, *children(process)):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total / 1024


def children(process: int) -> Iterator[int]:
    """The processes that a process began, and theirs."""
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout.split()
    for one in map(int, found):
        yield one
        yield from children(one)


def _milliseconds(said: str, share: str) -> float:
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        raise SystemExit(f"wrk did not say its {share}:\n{said}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
