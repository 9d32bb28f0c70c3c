"""One tick: everything that is due is done once, whoever ticks and however often.

Each job is leased per (job, model), so two ticks at once never do the same one; a killed tick's leases run out by
themselves. Each job is idempotent: done twice, or half and then again, it ends in the same state.
"""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from outlast.errors import Conflict, OutlastError, StorageError
from outlast.monitoring.counting.windows import Hold
from outlast.project.workspace import Workspace
from outlast.registry.versions import models
from outlast.retraining.failing import failing, fails, works
from outlast.retraining.jobs import FIRST, LAST, LOOP, PER_MODEL, Job, Shared
from outlast.retraining.succeeding.runs import wait as wait_for
from outlast.storage.ledger import Ledger, leases
from outlast.types import utc

LEASE = 60.0
"""Seconds until a dead worker's job can be taken by another. Jobs renew theirs in good time."""

RENEWED = LEASE / 10
"""Seconds after which a job that goes on renews its lease: its steps may take milliseconds, and a renewal as long."""

ELSEWHERE = "another worker is at it, or was killed within the last minute"
_log = logging.getLogger("outlast.tick")


@dataclass(frozen=True)
class Done:
    """What became of one job: whether it changed anything, a sentence that says what, and whether it failed."""

    job: str
    model: str | None
    did: bool
    sentence: str
    failed: bool = False


def worker_name() -> str:
    """A name for this process that no other has: two workers of one name would share their leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def tick(workspace: Workspace, *, now: datetime, worker: str | None = None, wait: bool = False) -> list[Done]:
    """Do what is due; returns one line per job. A job that fails is reported and does not stop the others.

    With `wait`, it ends only when the trainings have ended that it, or a tick before it, has started in processes of
    their own: where they would end with it, as in a container, or where the clock does not go on by itself.
    """
    holder, begun = worker or worker_name(), time.monotonic()

    def clock() -> datetime:
        return utc(now) + timedelta(seconds=time.monotonic() - begun)

    shared = Shared(workspace, utc(now))
    due: list[tuple[str, str | None, Job]] = [(name, None, job) for name, job in FIRST.items()]
    due += [(name, model, job) for model in models(workspace.ledger) for name, job in PER_MODEL.items()]
    due += [(name, None, job) for name, job in LAST.items()]
    due += [(name, model, job) for model in models(workspace.ledger) for name, job in LOOP.items()]
    done = [_run(shared, job, Done(name, model, False, ""), holder, clock) for name, model, job in due]
    _note(workspace.ledger, done, shared.now)
    for model in models(workspace.ledger) if wait else ():
        wait_for(workspace, model)
    return done


def _note(ledger: Ledger, done: list[Done], now: datetime) -> None:
    """Remember what failed, and forget what no longer does; where the ledger is what fails, the lines have said so."""
    try:
        before = {(one.job, one.model) for one in failing(ledger)}
        for one in done:
            if one.failed:
                fails(ledger, one.job, one.model, one.sentence, now)
            elif (one.job, one.model) in before and one.sentence != ELSEWHERE:
                works(ledger, one.job, one.model)
    except StorageError as error:
        _log.warning("What failed cannot be noted: %s", error.sentence)


def _run(shared: Shared, job: Job, line: Done, holder: str, clock: Callable[[], datetime]) -> Done:
    """One job under its lease, and what became of it."""
    ledger, name = shared.workspace.ledger, f"{line.job}/{line.model or '*'}"
    try:
        if not leases.acquire(ledger, name, holder, LEASE, clock()):
            return replace(line, sentence=ELSEWHERE)
        try:
            did, sentence = job(shared, line.model or "", _holding(ledger, name, holder, clock))
            return replace(line, did=did, sentence=sentence)
        finally:
            leases.release(ledger, name, holder)
    except OutlastError as error:
        return replace(line, sentence=error.sentence, failed=True)
    except Exception as error:  # noqa: BLE001 - one broken job must not stop the others; the log has the whole of it
        _log.exception("job %s failed", name)
        return replace(line, sentence=f"{name} failed unexpectedly: {error!r}; see the log", failed=True)


def _holding(ledger: Ledger, name: str, holder: str, clock: Callable[[], datetime]) -> Hold:
    """What a job calls between its steps."""
    renewed = time.monotonic()

    def hold() -> None:
        nonlocal renewed
        if time.monotonic() - renewed < RENEWED:
            return
        if not leases.renew(ledger, name, holder, LEASE, clock()):
            raise Conflict(f"The lease on {name} ran out and is another worker's now: it goes on with the work")
        renewed = time.monotonic()

    return hold
