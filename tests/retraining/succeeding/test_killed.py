"""A tick that is killed on a successor's way ends, with the next, as one that never was; of two only one acts."""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from looped import DAY, LIVE, NAME, Traffic, copied
from ticking import counted

from outlast.monitoring.telling.alerts import alerts
from outlast.project.period import Period
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transitions
from outlast.retraining import jobs, loop
from outlast.retraining.deciding.records import Step, decisions
from outlast.retraining.loop import retrain_due, roll_out
from outlast.retraining.succeeding.runs import begin, new_run
from outlast.retraining.succeeding.state import standing
from outlast.retraining.succeeding.training import succeed
from outlast.retraining.tick import LEASE, tick
from outlast.settings import Settings

DUE = LIVE + 7 * DAY
SCRIPT = Path(__file__).parent.parent / "ticking.py"


def hold() -> None:
    """Nothing is leased here."""


@pytest.fixture(scope="module")
def on_its_way(looped_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A successor that passed, and so stands at the begin of its way."""
    place = copied(looped_template, tmp_path_factory.mktemp("way") / "orders")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "start", lambda *_: True)
        retrain_due(place, NAME, now=DUE, hold=hold)
    run = standing(place.ledger, NAME).run
    assert run is not None
    succeed(place, NAME, run)
    closed(place)
    return place.root


@pytest.fixture(scope="module")
def about_to_be_live(on_its_way: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same one as canary, all outcomes here that it needs to go live."""
    place = copied(on_its_way, tmp_path_factory.mktemp("live") / "orders")
    for day in range(2):
        roll_out(place, NAME, now=DUE + day * DAY, hold=hold)
        Traffic(place).through(DUE + day * DAY, DUE + (day + 1) * DAY)
    Traffic(place).through(DUE + 2 * DAY, DUE + 4 * DAY)
    closed(place)
    return place.root


def closed(place: Workspace) -> None:
    place.fresh.close()
    place.ledger.dispose()


def state(place: Workspace) -> dict[str, Any]:
    """What the loop leaves behind, without the moments at which it did so."""
    loops = standing(place.ledger, NAME)
    stands = None if loops.candidate is None else (loops.candidate.version, loops.candidate.stage)
    return {
        "steps": [(one.action, one.version, one.by, one.reason) for one in transitions(place.ledger, NAME)],
        "stands": (loops.run is None, stands),
        "decisions": [(one.what, one.version, one.sentence) for one in decisions(place.ledger, NAME)],
        "alerts": sorted((one.kind, one.sentence) for one in alerts(place.ledger, NAME)),
    }


def kill(place: Workspace, now: datetime, fatal: int, when: str) -> None:
    command = [sys.executable, str(SCRIPT), str(place.root), now.isoformat(), "w", str(fatal), when, "LOOP"]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("stage", "kills"), [("live", 3), ("shadow", 2)])
def test_a_tick_killed_on_the_way_ends_as_an_undisturbed_one(
    stage: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in (jobs.FIRST, jobs.PER_MODEL, jobs.LAST):
        for name in list(group):
            monkeypatch.delitem(group, name)
    template = request.getfixturevalue("about_to_be_live" if stage == "live" else "on_its_way")
    later = DUE + (6 * DAY if stage == "live" else timedelta(hours=1))
    undisturbed = copied(template, tmp_path / "undisturbed")
    with counted() as written:
        done = tick(undisturbed, now=later, worker="w")
    assert not any(line.failed for line in done), done
    writes, expected = len(written), state(undisturbed)
    assert expected["steps"][-1][0] == {"live": "promote", "shadow": "shadow"}[stage]
    steps = sorted({round(1 + part * (writes - 1) / (kills - 1)) for part in range(kills)})
    for turn, step in enumerate(steps):
        when = ("before", "within", "after")[turn % 3]
        place = copied(template, tmp_path / f"killed-{step}")
        kill(place, later, fatal=step, when=when)
        done = tick(place, now=later + timedelta(seconds=LEASE + 60), worker="another")
        assert not any(line.failed or "another worker" in line.sentence for line in done), done
        assert state(place) == expected, (step, when)
        closed(place)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_two_at_once_only_one_begins_a_run(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    barrier, won = Barrier(4), []

    def one(number: int) -> None:
        place = Workspace(tmp_path, settings=Settings(ledger=url))
        mine = new_run("schedule", "due", Period(DUE), DUE)
        barrier.wait()
        won.append(begin(place, NAME, mine, Step("started", f"by {number}")))
        place.ledger.dispose()

    Workspace(tmp_path, settings=Settings(ledger=url)).ledger.dispose()
    threads = [Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    place = Workspace(tmp_path, settings=Settings(ledger=url))
    assert len(decisions(place.ledger, NAME)) == 1
    place.ledger.dispose()
