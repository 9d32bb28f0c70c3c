"""Runs in processes of their own: they end by themselves, are begun again where they were killed, and are bounded."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from looped import DAY, LIVE, NAME

from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import contracts
from outlast.registry.contracts import contract_of
from outlast.registry.versions import find, versions
from outlast.retraining.deciding.records import decisions
from outlast.retraining.loop import retrain_due
from outlast.retraining.succeeding import runs
from outlast.retraining.succeeding.runs import lease_of, log_of, look_after, start, wait
from outlast.retraining.succeeding.state import Run, standing
from outlast.storage.ledger import leases
from outlast.types import ModelRef

DUE = LIVE + 7 * DAY
SLOW = "\n\ndef slowly(x, y, seed):\n    import time\n\n    time.sleep(120)\n    return fit(x, y, seed)\n"


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No process outlives its test."""
    yield
    for one in runs._started.values():
        one.kill()
        one.wait()
    runs._started.clear()


def hold() -> None:
    """Nothing is leased here."""


def begun(place: Workspace) -> Run:
    did, says = retrain_due(place, NAME, now=DUE, hold=hold)
    assert did, says
    run = standing(place.ledger, NAME).run
    assert run is not None
    return run


def slow(place: Workspace) -> None:
    """From now on the project's fit takes minutes."""
    file = place.root / "model.py"
    file.write_text(
        file.read_text().replace("fit=fit", "fit=slowly").replace("\nmodel = Model(", f"{SLOW}\nmodel = Model(")
    )


def test_a_run_trains_and_judges_by_itself_and_delays_nobody(place: Workspace) -> None:
    begin = time.monotonic()
    run = begun(place)
    asked = time.monotonic() - begin
    assert retrain_due(place, NAME, now=DUE, hold=hold) == (
        False,
        "a successor is being trained since 2024-02-17 00:00, for the first time",
    )
    assert not start(place, NAME, run)
    wait(place, NAME)
    assert time.monotonic() - begin > asked
    last = decisions(place.ledger, NAME)[-1]
    assert last.what == "passed", (last, log_of(place, run).read_text())
    assert "latency" not in last.detail["failed"]
    assert last.version == 2
    candidate = standing(place.ledger, NAME).candidate
    assert candidate is not None
    assert candidate.version == 2
    version = find(place.ledger, ModelRef(NAME, 2))
    assert version.created_by == "tick"
    assert version.lineage["period"]["until"] == DUE.isoformat()
    assert log_of(place, run).read_text().endswith(f"{last.sentence}\n")


def test_a_killed_run_begins_again_and_in_the_end_is_given_up(place: Workspace) -> None:
    slow(place)
    run = begun(place)
    (process,) = runs._started.values()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert look_after(place, NAME, run, DUE)[0] is False  # nobody knows yet that it is dead
    for attempt in (2, 3):
        leases.release(place.ledger, lease_of(NAME), runs.holder_of(run))  # as if it had run out
        did, says = look_after(place, NAME, run, DUE + DAY)
        assert did
        assert f"for the {attempt}. time of 3" in says
        run = replace(run, attempt=attempt, at=DUE + DAY)
        assert standing(place.ledger, NAME).run == run
        (process,) = runs._started.values()
        process.kill()
        process.wait()
    leases.release(place.ledger, lease_of(NAME), runs.holder_of(run))
    assert look_after(place, NAME, run, DUE + DAY)[0]
    last = decisions(place.ledger, NAME)[-1]
    assert last.what == "failed"
    assert "broken off 3 times" in last.sentence
    assert standing(place.ledger, NAME).run is None
    assert len(versions(place.ledger, NAME)) == 1


def test_a_run_that_takes_too_long_is_ended_and_says_so(place: Workspace) -> None:
    slow(place)
    plain = contract_of(place, find(place.ledger, ModelRef(NAME))).model_dump(mode="json")
    plain["retraining"]["limit"] = "2s"
    contracts.apply(place.ledger, NAME, Contract.model_validate(plain), by="ana", at=DUE)
    begun(place)
    wait(place, NAME)
    last = decisions(place.ledger, NAME)[-1]
    assert (last.what, last.sentence) == (
        "failed",
        "training and judging a successor took longer than 2s, which [retraining] limit allows",
    )


def test_data_that_cannot_be_read_is_a_failed_run_and_no_accident(place: Workspace) -> None:
    (place.root / "data" / "deliveries.csv").unlink()
    begun(place)
    wait(place, NAME)
    last = decisions(place.ledger, NAME)[-1]
    assert last.what == "failed"
    assert "deliveries" in last.sentence
