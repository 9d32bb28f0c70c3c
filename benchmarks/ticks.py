"""Kills a tick at fifty points, in watching and on a successor's way: the next must end as if it never had."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from _report import conclude, table, where

TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS / "retraining"), str(TESTS / "monitoring")]

from looped import DAY, LIVE, NAME, Traffic, looped  # noqa: E402 (the tests' own small project)
from watched import START, made, predict, through_the_day  # noqa: E402

from outlast.gates.judge import CHECKS  # noqa: E402
from outlast.monitoring.counting.windows import stored  # noqa: E402
from outlast.monitoring.telling.alerts import alerts  # noqa: E402
from outlast.project.workspace import Workspace  # noqa: E402
from outlast.registry.rollout import transitions  # noqa: E402
from outlast.registry.versions import models  # noqa: E402
from outlast.retraining import loop  # noqa: E402
from outlast.retraining.deciding.records import decisions  # noqa: E402
from outlast.retraining.loop import retrain_due, roll_out  # noqa: E402
from outlast.retraining.succeeding.state import standing  # noqa: E402
from outlast.retraining.succeeding.training import succeed  # noqa: E402
from outlast.retraining.tick import LEASE  # noqa: E402

DUE, WHEN = LIVE + 7 * DAY, ("before", "within", "after")
KILLS = {"watch": 20, "shadow": 14, "live": 16}
Made = Callable[[Path], datetime]


def watch(folder: Path) -> datetime:
    """Two days of answers, a column gone on the second; nothing was counted yet."""
    place, origin = made(folder, {"monitoring": {"cadence": "6h", "routes": ["log"]}})
    predict(place, origin, through_the_day(400), seed=2)
    predict(place, origin, through_the_day(4000, START + DAY), seed=3, labels="turned", empty=True)
    closed(place)
    return START + 10 * DAY


def shadow(folder: Path) -> datetime:
    """A successor that has just passed the gate."""
    spec = spec_from_file_location("orders", TESTS / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    orders = module_from_spec(spec)
    spec.loader.exec_module(orders)
    (folder / "data").mkdir(parents=True)
    orders.write_orders(folder, 6000)
    place = Workspace.find(looped(folder))
    loop.start = lambda *_: True  # type: ignore[assignment]  # the run is done here, and not in a process of its own
    retrain_due(place, NAME, now=DUE, hold=lambda: None)
    run = standing(place.ledger, NAME).run
    assert run is not None
    succeed(place, NAME, run)
    closed(place)
    return DUE + timedelta(hours=1)


def live(folder: Path) -> datetime:
    """The same one as canary, with all outcomes here that it needs to go live."""
    shadow(folder)
    place = Workspace.find(folder)
    for day in range(4):
        if day < 2:
            roll_out(place, NAME, now=DUE + day * DAY, hold=lambda: None)
        Traffic(place).through(DUE + day * DAY, DUE + (day + 1) * DAY)
    closed(place)
    return DUE + 6 * DAY


def closed(place: Workspace) -> None:
    place.fresh.close()
    place.ledger.dispose()


def tick(folder: Path, now: datetime, fatal: int = 0, when: str = "-", worker: str = "w") -> tuple[int, int]:
    """A tick in a process of its own: how it ended, and how often it wrote to the ledger."""
    command = [sys.executable, str(TESTS / "retraining" / "ticking.py"), str(folder), now.isoformat(), worker,
               str(fatal), when]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(done.stderr)
    return done.returncode, int(done.stdout.split()[0]) if done.stdout else 0


def state(folder: Path) -> dict[str, Any]:
    """What ticks leave behind, without the moments at which they did so."""
    place = Workspace.find(folder) if (folder / "outlast.toml").is_file() else Workspace(folder)
    kept: dict[str, Any] = {"tables": {name: place.tables.scan(name).collect().height for name in place.tables.names()}}
    for model in models(place.ledger):
        candidate = standing(place.ledger, model).candidate
        kept[model] = {
            "windows": [(one.version, one.starts_at, one.counts.to_json()) for one in stored(place.ledger, model)],
            "steps": [(one.action, one.version, one.by, one.reason) for one in transitions(place.ledger, model)],
            "stage": candidate and candidate.stage,
            "decisions": [(one.what, one.version, one.sentence) for one in decisions(place.ledger, model)],
            "alerts": sorted((one.id, one.kind, one.sentence) for one in alerts(place.ledger, model)),
        }
    closed(place)
    return kept


def killed(name: str, make: Made, folder: Path, rng: random.Random) -> tuple[int, int, int]:
    """How often a tick writes here, how often it was killed, and how often what was left was another state."""
    template = folder / name
    now = make(template)
    undisturbed = shutil.copytree(template, folder / f"{name}-undisturbed")
    _, writes = tick(undisturbed, now)
    expected, other = state(undisturbed), 0
    for turn in range(KILLS[name]):
        place = shutil.copytree(template, folder / f"{name}-killed")
        code, _ = tick(place, now, rng.randint(1, writes), WHEN[turn % 3])
        if code != -signal.SIGKILL:
            raise SystemExit("a tick that was to be killed went on to its end")
        tick(place, now + timedelta(seconds=LEASE + 60), worker="another")
        same = state(place) == expected
        other += not same
        print(f"{name}: kill {turn + 1} of {KILLS[name]}, {'the same' if same else 'ANOTHER STATE'}", flush=True)
        shutil.rmtree(place)
    return writes, KILLS[name], other


def main() -> int:
    for name in ("latency", "reproducible", "skew"):
        del CHECKS[name]  # what is killed is the tick, not the gate
    rng, rows = random.Random(3), []
    with tempfile.TemporaryDirectory(prefix="outlast-ticks-") as scratch:
        for name, make in {"watch": watch, "shadow": shadow, "live": live}.items():
            rows.append((str(make.__doc__).rstrip("."), *map(str, killed(name, make, Path(scratch), rng))))
    said = table(("before the tick", "writes to the ledger", "kills", "another state"), rows)
    wrong = sum(int(row[-1]) for row in rows)
    bar = f"fifty kills, and after the next tick the state of one that was never killed each time; {wrong} were not."
    return conclude("ticks", found=said, bar=bar, held=not wrong, machine=where())


if __name__ == "__main__":
    sys.exit(main())
