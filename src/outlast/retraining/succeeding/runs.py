"""Runs in processes of their own: begun, seen to be alive, begun again where they were killed.

A run holds a lease of real time, whatever clock the ticks go by: a process lives in real time. The tick takes it for
the run before it starts it, so a tick that comes at once starts no second one.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from outlast.project.period import Period
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.retraining.deciding.records import Step, note
from outlast.retraining.succeeding.state import Run, Standing, stand, standing, standing_in
from outlast.serving.logs import last_line
from outlast.serving.workers.threads import elsewhere
from outlast.settings import VARIABLES, Settings
from outlast.storage.ledger import leases

SECONDS = 60.0
"""How long the lease of a run that died holds it; one that lives renews it several times within that."""
_START = 120.0
_MOST = 3
"""How often a run is begun before it is given up."""
_LOOK = 0.05
_started: dict[tuple[Path, str], "subprocess.Popen[bytes]"] = {}
"""Processes of this one, by workspace and model; they are asked whether they ended, so that none stays as a zombie."""


def new_run(trigger: str, reason: str, period: Period, at: datetime, by: str = "tick") -> Run:
    """A run that was decided on; of whoever asked it keeps the name, and not how that was proven."""
    return Run(uuid4().hex[:12], trigger, reason, period, at, by=str(by))


def begin(workspace: Workspace, model: str, run: Run, step: Step, *, asked_by: str | None = None) -> bool:
    """Note that a run begins, if nothing else is under way; its process is started after that.

    What a person asks for is an entry of the audit trail.
    """
    with workspace.ledger.write() as connection:
        if standing_in(connection, model) != Standing():
            return False
        stand(connection, model, Standing(run), run.at)
        note(connection, model, step, run.at)
        if asked_by is not None:
            detail = {"run": run.id, "reason": run.reason, "period": run.period.to_json()}
            audit.record(connection, actor=asked_by, action="retrain", object=model, detail=detail, at=run.at)
    return True


def holder_of(run: Run) -> str:
    """Under which name a run holds its lease: each attempt has its own."""
    return f"{run.id}/{run.attempt}"


def start(workspace: Workspace, model: str, run: Run) -> bool:
    """Start a run's process, unless one of it lives."""
    if alive(workspace, model):
        return False
    if not leases.acquire(workspace.ledger, lease_of(model), holder_of(run), _START, wall()):
        return False
    command = [sys.executable, "-m", "outlast.retraining.succeeding.worker", str(workspace.root), model, holder_of(run)]
    file = log_of(workspace, run)
    file.parent.mkdir(parents=True, exist_ok=True)
    for ended in [key for key, one in _started.items() if one.poll() is not None]:
        del _started[ended]
    with file.open("ab") as log:
        _started[workspace.root, model] = subprocess.Popen(
            command, cwd=workspace.root, env=_environment(workspace.settings), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
    return True


def look_after(workspace: Workspace, model: str, run: Run, now: datetime) -> tuple[bool, str]:
    """See to a run that is under way: alive, begun again, or given up; whether anything was done, and a sentence."""
    if alive(workspace, model):
        return False, f"a successor is being trained since {run.at:%Y-%m-%d %H:%M}, {_times(run)}"
    if standing(workspace.ledger, model).run != run:
        return False, "a successor was trained meanwhile"
    if run.attempt >= _MOST:
        said = f"training a successor was broken off {_MOST} times; the end of {log_of(workspace, run).name}: "
        step = Step("failed", said + last_words(workspace, run), run.trigger)
        with workspace.ledger.write() as connection:
            stand(connection, model, Standing(), now)
            note(connection, model, step, now)
        return True, step.sentence
    again = replace(run, attempt=run.attempt + 1, at=now)
    with workspace.ledger.write() as connection:
        stand(connection, model, Standing(again), now)
    start(workspace, model, again)
    return True, f"training a successor was broken off and begins again, {_times(again)}"


def wait(workspace: Workspace, model: str, *, hold: Callable[[], None] = lambda: None) -> None:
    """Wait until the process of a run has ended, however it did."""
    ours = _started.get((workspace.root, model))
    while alive(workspace, model) if ours is None else ours.poll() is None:
        hold()
        time.sleep(_LOOK)


def alive(workspace: Workspace, model: str) -> bool:
    """Whether the process of a run holds its lease."""
    return lease_of(model) in leases.held(workspace.ledger, lease_of(model), wall())


def lease_of(model: str) -> str:
    """The name of the lease that a model's run holds."""
    return f"retraining/{model}"


def log_of(workspace: Workspace, run: Run) -> Path:
    """What a run's process says, fit's own words among it."""
    return workspace.home / "retraining" / f"{run.id}.log"


def last_words(workspace: Workspace, run: Run) -> str:
    """The last line that a run's process said."""
    try:
        return last_line(log_of(workspace, run))
    except OSError:
        return "there is none on this machine"


def wall() -> datetime:
    """The time that processes live in, whatever clock ticks go by."""
    return datetime.now(UTC)


def _times(run: Run) -> str:
    return "for the first time" if run.attempt == 1 else f"for the {run.attempt}. time of {_MOST}"


def _environment(settings: Settings) -> dict[str, str]:
    said = {variable: getattr(settings, name) for name, variable in VARIABLES.items()}
    return {**elsewhere(), **{name: str(value) for name, value in said.items() if value is not None}}
