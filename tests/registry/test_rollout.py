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
from outlast.registry.rollout import Rollout, current, live, states, transition, transitions
from outlast.storage.ledger.schema import verdicts
from outlast.types import digest_of


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
        ("1 retire 1", (1, None)),
        ("1 2 retire 2 back", (1, None)),
        ("1 2 3 retire@1 back", (2, None)),
        ("1 2 3 retire@2 back", (1, None)),
        ("1 2 1 retire@2", (1, None)),
    ],
)
def test_a_rollback_never_brings_back_what_was_rolled_back(ledger, act, steps: str, expected) -> None:
    for step in steps.split():
        if step.isdigit():
            act("promote", int(step))
        else:
            action, _, number = step.partition("@")
            act({"back": "rollback"}.get(action, action), int(number) if number else None)
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
        ([1], "retire", {"to": 1}, Refused, "is live and cannot be retired by itself"),
        ([1], "retire", {"to": 9}, NotFound, "no version 9"),
        ([1], "destroy", {}, Refused, "knows no 'destroy': say promote, advise, .* rollback or retire"),
        ([1], "shadow", {"to": 2, "verdict": None}, Refused, "without a verdict"),
        ([1], "canary", {"to": 2}, Refused, "needs a share of the requests: add --share 10"),
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
def test_a_verdict_that_was_edited_lets_nothing_out(ledger, act, judge, train, tamper, edited) -> None:
    refused = judge(1, passed=False) if "number" not in edited else judge(2)
    tamper(sa.update(verdicts).where(verdicts.c.digest == refused).values(**edited))
    with pytest.raises(Refused, match="was edited after it was written: `outlast promote late@1`"):
        act("promote", 1, verdict=refused)
    assert live(ledger) == []


def test_a_challenger_stands_beside_what_is_live_and_goes_by_a_rollback_when_it_answers(ledger, act) -> None:
    act("promote", 1)
    act("promote", 2)
    act("shadow", 3)
    assert states(ledger, "late") == {1: "previous", 2: "live", 3: "shadow"}
    after = act("canary", 3, share=12.5)
    assert (after.live, after.challenger, after.stage, after.share, after.previous) == (2, 3, "canary", 12.5, 1)
    assert states(ledger, "late")[3] == "canary 12.5%"
    with pytest.raises(Conflict, match=r"is the canary 12.5% already"):
        act("canary", 3, share=12.5)
    with pytest.raises(Conflict, match=r"version 3 is the canary 12.5%: `outlast withdraw late` comes first"):
        act("ab", 1, share=50)
    assert [act("rollback").live, act("rollback").live] == [2, 1]
    assert current(ledger, "late").challenger is None
    steps = transitions(ledger, "late")
    assert [str(step) for step in steps[-4:]] == ["shadow: 3", "canary 12.5%: 3", "rollback", "rollback"]
    assert (steps[3].bundle, steps[3].challenger_bundle) == tuple(digest_of(["late", n]) for n in (2, 3))
    assert audit.verify(ledger) is None


def test_a_shadow_does_not_keep_a_rollback_from_what_users_see(ledger, act) -> None:
    act("promote", 1)
    act("promote", 2)
    act("shadow", 3)
    after = act("rollback")
    assert (after.live, after.challenger, after.stage) == (1, None, None)


def test_a_challenger_goes_when_something_else_is_promoted_or_it_is_withdrawn_or_retired(ledger, act) -> None:
    act("promote", 1)
    for leave in [("withdraw", 2), ("promote", 3), ("retire", 2)]:
        act("ab", 2, share=50)
        assert act(*leave).challenger is None
    act("shadow", 1)
    with pytest.raises(Conflict, match="The challenger of model 'late' is version 1, not 2"):
        act("withdraw", 2)
    gone = act("retire")
    assert (gone.live, gone.challenger, gone.stage) == (None, None, None)


def test_advice_is_marked_becomes_live_and_comes_back_as_it_was(ledger, act) -> None:
    act("promote", 1)
    assert act("advise", 2).advice
    assert states(ledger, "late") == {1: "previous", 2: "live, advice"}
    with pytest.raises(Conflict, match="is live as advice already"):
        act("advise", 2)
    assert act("canary", 3, share=1).advice
    assert act("promote", 3).advice is False
    back = act("rollback")
    assert (back.live, back.advice, back.previous) == (2, True, 1)
    now = act("promote", 2)
    assert (now.live, now.advice, now.previous) == (2, False, 1)


def test_what_was_retired_by_name_needs_a_verdict_made_since(ledger, act, judge, noon) -> None:
    act("promote", 2)
    act("promote", 1)
    act("retire", 2, by="bob", reason="leaks")
    assert states(ledger, "late") == {1: "live", 2: "retired"}
    with pytest.raises(Conflict, match="is retired already"):
        act("retire", 2)
    for action, more in (("promote", {}), ("advise", {}), ("shadow", {}), ("canary", {"share": 5})):
        with pytest.raises(Refused, match="was retired by bob after verdict"):
            act(action, 2, **more)
    with pytest.raises(Refused, match="no earlier version"):
        act("rollback")
    assert act("promote", 2, verdict=judge(2, at=noon + timedelta(days=1))).live == 2
    assert states(ledger, "late") == {1: "previous", 2: "live"}


def test_every_way_out_needs_a_passed_verdict(ledger, act, judge) -> None:
    act("promote", 1)
    bad = judge(2, passed=False)
    for action, more in (("advise", {}), ("shadow", {}), ("canary", {"share": 5}), ("ab", {"share": 5})):
        with pytest.raises(Refused, match="it did not pass verdict"):
            act(action, 2, verdict=bad, **more)


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
