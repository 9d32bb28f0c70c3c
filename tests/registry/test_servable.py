"""Who may still be served, on SQLite and on a real PostgreSQL; and the note that a version is being let out."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from outlast.errors import Conflict
from outlast.registry import letting_out, served
from outlast.registry.letting_out import DROP_SECONDS, DROPPING, SECONDS, forget_run_out
from outlast.registry.rollout import kept_up, transition
from outlast.registry.servable import LATELY, servable
from outlast.registry.versions import Version
from outlast.storage.ledger import Ledger, leases
from outlast.types import clock_from

Judge = Callable[..., str]
Train = Callable[..., Version]


@pytest.fixture
def act(ledger: Ledger, train: Train, judge: Judge, noon: datetime) -> Callable[[str], None]:
    """Take steps such as '1 2 back' a minute apart, with five versions of one model."""
    for _ in range(5):
        train()

    def made(steps: str) -> None:
        for minute, step in enumerate(steps.split()):
            at, action = noon + timedelta(minutes=minute), {"back": "rollback", "end": "retire"}.get(step, "promote")
            more = {"to": int(step), "verdict": judge(int(step))} if action == "promote" else {}
            transition(ledger, "late", action=action, by="ada", at=at, **more)  # type: ignore[arg-type]

    return made


def roles(ledger: Ledger, now: datetime) -> dict[int, tuple[str, ...]]:
    return {one.number: one.roles for one in servable(ledger, now=now)}


def test_what_is_live_comes_back_or_was_trained_last_counts(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1 2 3")
    later = noon + LATELY + timedelta(hours=1)
    assert roles(ledger, later) == {5: ("latest",), 3: ("live",), 2: ("previous",)}
    soon = noon + LATELY + timedelta(minutes=1, seconds=30)
    assert roles(ledger, soon) == {5: ("latest",), 3: ("live",), 2: ("previous", "lately live")}
    assert roles(ledger, noon + timedelta(minutes=4))[1] == ("lately live",)
    assert [one.number for one in servable(ledger, now=later) if one.asked] == [3, 2]
    assert servable(ledger, now=later, model="another") == []


def test_what_a_server_still_answers_with_counts_until_it_lets_go(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1 2 3")
    later = noon + timedelta(days=9)
    span = served.taking(ledger, "late", 1, "d", "host-1", noon)
    assert roles(ledger, later)[1] == ("still served",)
    served.released(ledger, span, later)
    assert 1 not in roles(ledger, later)


def test_one_that_is_being_let_out_counts_until_it_is_live_has_failed_or_was_killed(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1")
    clock = clock_from(noon + timedelta(days=1))
    with letting_out.letting_out(ledger, "late", 4, lookups=["d"], clock=clock):
        assert roles(ledger, clock())[4] == ("being let out",)
        assert 4 in {one.number for one in servable(ledger, now=clock()) if one.asked}
    assert 4 not in roles(ledger, clock())
    with pytest.raises(ZeroDivisionError), letting_out.letting_out(ledger, "late", 4, lookups=["d"], clock=clock):
        1 / 0  # noqa: B018
    assert 4 not in roles(ledger, clock())


def test_the_note_of_a_killed_process_runs_out_and_is_taken_away(
    ledger: Ledger, url: str, act: Callable[[str], None], noon: datetime
) -> None:
    act("1")
    code = (
        "import sys; from datetime import datetime; from outlast.registry.letting_out import letting_out\n"
        "from outlast.storage.ledger import open_ledger; from outlast.types import clock_from\n"
        "clock = clock_from(datetime.fromisoformat(sys.argv[2]))\n"
        "with letting_out(open_ledger(sys.argv[1]), 'late', 4, lookups=['d'], clock=clock):\n"
        "    print('noted', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, url, noon.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "noted\n"
        process.kill()
    assert roles(ledger, noon + timedelta(seconds=SECONDS - 1))[4] == ("being let out",)
    assert forget_run_out(ledger, now=noon + timedelta(seconds=SECONDS - 1)) == 0
    later = noon + timedelta(seconds=SECONDS + 60)
    assert 4 not in roles(ledger, later)
    assert (forget_run_out(ledger, now=later), forget_run_out(ledger, now=later)) == (1, 0)


def test_one_that_stood_still_for_too_long_is_not_let_out(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1")
    moments = [noon]
    with letting_out.letting_out(ledger, "late", 4, lookups=["d"], clock=lambda: moments[-1]) as mark:
        mark.renew()
        moments.append(noon + timedelta(seconds=SECONDS + 1))
        mark.renew(at_least=0)  # it lasts still, as far as is known here
        with pytest.raises(Conflict, match="Letting late@4 out stood still for more than 10 minutes"):
            mark.renew()


def test_who_lets_out_waits_while_one_of_its_lookups_is_dropped(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1")
    began, done = threading.Event(), threading.Event()
    clock = clock_from(noon)
    leases.acquire(ledger, f"{DROPPING}/mine", "x", DROP_SECONDS, noon)
    leases.acquire(ledger, f"{DROPPING}/another's", "y", DROP_SECONDS, noon)

    def let_out() -> None:
        began.set()
        with letting_out.letting_out(ledger, "late", 4, lookups=["mine"], clock=clock):
            done.set()

    thread = threading.Thread(target=let_out)
    thread.start()
    assert began.wait(10)
    assert not done.wait(0.5)
    assert roles(ledger, noon)[4] == ("being let out",)  # noted before it waits: who drops looks for that
    leases.release(ledger, f"{DROPPING}/mine", "x")
    assert done.wait(10)
    thread.join()


def test_one_that_was_killed_while_it_dropped_is_waited_for_until_its_note_runs_out(
    ledger: Ledger, act: Callable[[str], None], noon: datetime
) -> None:
    act("1")
    leases.acquire(ledger, f"{DROPPING}/mine", "x", DROP_SECONDS, noon)
    moments = iter([noon, noon, noon, noon + timedelta(seconds=DROP_SECONDS + 1)])
    last = [noon]

    def clock() -> datetime:
        last[0] = next(moments, last[0])
        return last[0]

    with letting_out.letting_out(ledger, "late", 4, lookups=["mine"], clock=clock):
        assert last[0] > noon + timedelta(seconds=DROP_SECONDS)


@pytest.mark.parametrize(
    ("steps", "number", "expected"),
    [
        ("1", 1, True),
        ("1 2", 1, True),
        ("1 2 3", 1, False),
        ("1 2 3 back", 1, False),  # it comes next, and was nothing for a while
        ("1 2 3 back", 2, True),
        ("1 2 3 back", 3, False),
        ("1 2 3 back back", 1, True),
        ("1 2 3 back 4", 2, True),
        ("1 2 3 back 4 back", 1, False),
        ("1 2 end", 2, True),
        ("1 2 end", 1, False),
        ("1 end 2", 1, True),
        ("1 2 back 2", 1, True),
        ("1 2", 5, False),
    ],
)
def test_only_what_was_live_or_next_all_the_time_was_kept_up(
    ledger: Ledger, act: Callable[[str], None], steps: str, number: int, expected: bool
) -> None:
    act(steps)
    assert kept_up(ledger, "late", number) is expected
