"""What is live: the rules, and one winner among racing writers on every database."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from outlast.errors import Conflict, NotFound, OutlastError, Refused
from outlast.registry import audit
from outlast.registry.rollout import Rollout, current, live, transition, transitions
from outlast.storage.ledger.schema import verdicts


@pytest.fixture
def act(ledger, train, judge, noon):
    """Change what is live of a model with three versions that passed; minutes go by between changes."""
    for _ in range(3):
        train()
    passed = {number: judge(number) for number in (1, 2, 3)}
    clock = iter(noon + timedelta(minutes=n) for n in range(1000))

    def made(action: str, to: int | None = None, **more) -> Rollout:
        given = {"verdict": passed.get(to), "by": "ada", "at": next(clock), **more}
        return transition(ledger, "late", action=action, to=to, **given)

    return made


def test_nothing_is_live_at_first(ledger, act) -> None:
    assert live(ledger) == []
    now = current(ledger, "late")
    assert (now.live, now.previous, now.sequence) == (None, None, 0)
    assert transitions(ledger, "late") == []


def test_a_promotion_is_recorded_with_who_and_why(ledger, act, noon) -> None:
    after = act("promote", 2, reason="better in the west")
    assert after == current(ledger, "late") == Rollout("late", 2, None, 1, noon)
    assert live(ledger) == [after]
    step = transitions(ledger, "late")[0]
    assert (step.from_version, step.to_version, step.by, step.reason) == (None, 2, "ada", "better in the west")
    entry = audit.head(ledger)
    assert (entry.action, entry.actor, entry.object, entry.detail["to_version"]) == ("transition", "ada", "late", 2)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("1", (1, None)),
        ("1 2", (2, 1)),
        ("1 2 back", (1, None)),
        ("1 2 3 back", (2, 1)),
        ("1 2 3 back back", (1, None)),
        ("1 2 back 3", (3, 1)),
        ("1 2 back 3 back", (1, None)),
        ("1 2 back 2 back", (1, None)),
        ("1 2 1", (1, 2)),
        ("1 2 1 back", (2, 1)),
        ("1 retire", (None, 1)),
        ("1 2 retire back", (2, 1)),
        ("1 2 retire back back", (1, None)),
        ("1 2 retire 3 back", (2, 1)),
        ("1 2 back retire", (None, 1)),
    ],
)
def test_a_rollback_never_brings_back_what_was_rolled_back(ledger, act, steps: str, expected) -> None:
    for step in steps.split():
        if step.isdigit():
            act("promote", int(step))
        else:
            act({"back": "rollback"}.get(step, step))
    now = current(ledger, "late")
    assert (now.live, now.previous) == expected
    assert now.sequence == len(steps.split())
    assert audit.verify(ledger) is None


@pytest.mark.parametrize(
    ("before", "action", "given", "kind", "sentence"),
    [
        ([], "promote", {"to": None}, Refused, "name a version, late@NUMBER"),
        ([], "promote", {"to": 9}, NotFound, r"no version 9\. Versions: 1-3\."),
        (
            [],
            "promote",
            {"to": 1, "verdict": None},
            Refused,
            "cannot go live without a verdict: `outlast promote late@1`",
        ),
        ([], "promote", {"to": 1, "verdict": "f" * 64}, NotFound, "verdict ffffffffffff, which is not in the ledger"),
        ([1], "promote", {"to": 1}, Conflict, "Version 1 of model 'late' is live already, since 2013-07-01 12:00:00"),
        ([], "rollback", {}, Refused, "has no earlier version to roll back to"),
        ([1], "rollback", {}, Refused, "has no earlier version to roll back to"),
        ([1, 2], "rollback", {"to": 2}, Conflict, "goes to version 1, not 2"),
        ([], "retire", {}, Refused, "has nothing live"),
        ([1], "retire", {"to": 2}, Refused, "to go to version 2, promote that"),
        ([1], "destroy", {}, Refused, "knows no 'destroy': say promote, rollback or retire"),
        ([1], "promote", {"to": 2, "expected": 0}, Conflict, r"\(1, not 0\) by ada: promote to version 1\. Look again"),
        ([], "promote", {"to": 2, "expected": 3}, Conflict, r"\(0, not 3\)\. Look again"),
    ],
)
def test_a_rule_that_says_no_says_why_and_changes_nothing(ledger, act, before, action, given, kind, sentence) -> None:
    for number in before:
        act("promote", number)
    was, trail = current(ledger, "late"), audit.head(ledger)
    with pytest.raises(kind, match=sentence):
        act(action, **given)
    assert (current(ledger, "late"), audit.head(ledger)) == (was, trail)


def test_only_a_passed_verdict_of_exactly_that_version_counts(ledger, act, judge, train) -> None:
    train("other")
    with pytest.raises(Refused, match="about version 2 of model 'late'"):
        act("promote", 1, verdict=judge(2, passed=False))
    with pytest.raises(Refused, match="about version 1 of model 'other'"):
        act("promote", 1, verdict=judge(1, "other"))
    with pytest.raises(Refused, match="it did not pass verdict"):
        act("promote", 1, verdict=judge(1, passed=False))
    assert live(ledger) == []


@pytest.mark.parametrize(
    "edited", [{"passed": True}, {"passed": True, "checks": [{"name": "floors", "passed": True}]}, {"number": 1}]
)
def test_a_verdict_that_was_edited_lets_nothing_out(ledger, act, judge, train, edited) -> None:
    refused = judge(1, passed=False) if "number" not in edited else judge(2)
    with ledger.write() as connection:
        connection.execute(sa.update(verdicts).where(verdicts.c.digest == refused).values(**edited))
    with pytest.raises(Refused, match="was edited after it was written: `outlast promote late@1`"):
        act("promote", 1, verdict=refused)
    assert live(ledger) == []


def test_a_model_that_is_not_there_says_so(ledger, act, noon) -> None:
    for call in (
        lambda: current(ledger, "lat"),
        lambda: transitions(ledger, "lat"),
        lambda: transition(ledger, "lat", action="retire", by="ada", at=noon),
    ):
        with pytest.raises(NotFound, match="did you mean 'late'"):
            call()


def settled(ledger) -> None:
    """The history is one chain without a gap, it ends in what is live, and the trail agrees."""
    steps = transitions(ledger, "late")
    assert [step.sequence for step in steps] == list(range(1, len(steps) + 1))
    assert [step.from_version for step in steps] == [None, *[step.to_version for step in steps[:-1]]]
    now = current(ledger, "late")
    assert (now.live, now.sequence) == (steps[-1].to_version, len(steps))
    assert audit.verify(ledger) is None


def tried(act, *call, **more) -> Rollout | OutlastError:
    try:
        return act(*call, **more)
    except OutlastError as error:
        return error


def test_of_racing_writers_who_saw_the_same_one_wins(ledger, act) -> None:
    act("promote", 1)
    for _ in range(5):
        seen = current(ledger, "late")
        others = [n for n in (1, 2, 3) if n != seen.live]
        calls = [partial(tried, act, "promote", others[n % 2], expected=seen.sequence) for n in range(8)]
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda call: call(), calls))
        won = [end for end in ends if isinstance(end, Rollout)]
        assert len(won) == 1
        assert current(ledger, "late") == won[0]
        assert {type(end) for end in ends} == {Rollout, Conflict}
    settled(ledger)


def test_of_people_who_roll_back_at_once_one_wins(ledger, act) -> None:
    for number in (1, 2, 3):
        act("promote", number)
    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(lambda _: tried(act, "rollback", 2), range(6)))
    assert sum(isinstance(end, Rollout) for end in ends) == 1
    assert current(ledger, "late").live == 2
    settled(ledger)


def test_promotions_and_rollbacks_of_many_models_do_not_block_each_other_for_ever(ledger, train, judge, noon) -> None:
    def life(name: str) -> None:
        for number in (1, 2):
            train(name)
            transition(ledger, name, action="promote", to=number, verdict=judge(number, name), by="ada", at=noon)
        transition(ledger, name, action="rollback", by="ada", at=noon)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(life, [f"model-{n}" for n in range(6)]))
    assert [(now.live, now.sequence) for now in live(ledger)] == [(1, 3)] * 6
    assert audit.verify(ledger) is None


RACER = """
import sys
from outlast.errors import OutlastError
from outlast.registry.rollout import current, transition
from outlast.storage.ledger import open_ledger
from outlast.types import now
url, me, *verdicts = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
won = lost = 0
with open_ledger(url) as ledger:
    for turn in range(9):
        seen = current(ledger, "late")
        to = 1 + (seen.live or 0) % 3
        back = turn % 3 == 2 and seen.previous is not None
        order = {"action": "rollback"} if back else {"action": "promote", "to": to, "verdict": verdicts[to - 1]}
        try:
            transition(ledger, "late", **order, by=me, at=now(), expected=seen.sequence)
            won += 1
        except OutlastError:
            lost += 1
print(won, lost)
"""


def test_processes_that_race_leave_one_consistent_history(url: str, ledger, train, judge) -> None:
    verdicts = [judge(train().number) for _ in range(3)]
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RACER, url, f"racer-{n}", *verdicts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    counts = [tuple(map(int, racer.communicate(timeout=60)[0].split())) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert all(won + lost == 9 for won, lost in counts)
    steps = transitions(ledger, "late")
    assert [sum(step.by == f"racer-{n}" for step in steps) for n in range(3)] == [won for won, _ in counts]
    settled(ledger)
