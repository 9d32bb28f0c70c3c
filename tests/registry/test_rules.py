"""The rules of a rollout against a model of them that is written another way, over any course of actions."""

import tempfile
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from outlast.errors import OutlastError
from outlast.registry import audit, verdicts
from outlast.registry.rollout import current, states, transition, transitions
from outlast.registry.versions import register
from outlast.storage.ledger import open_ledger

START = datetime(2024, 1, 1, tzinfo=UTC)
NUMBERS = st.integers(1, 4)
SHARES = st.sampled_from([None, -1.0, 0.0, 5.0, 50.0, 100.0])


class Course(RuleBasedStateMachine):
    """Whatever is asked in whatever order: the ledger does what the simple model does, or both say no."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = open_ledger(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}")
        self.clock = (START + timedelta(minutes=n) for n in count(1))
        for number in range(1, 5):
            register(self.ledger, "late", digest=f"d{number}", code_digest=None, task="binary", summary={},
                     lineage={}, by="ada", at=START)  # fmt: skip
        self.live: tuple[int, bool] | None = None  # a version, and whether as advice
        self.before: list[tuple[int, bool]] = []
        self.beside: tuple[int, str, float | None] | None = None
        self.retired: dict[int, datetime] = {}
        self.verdicts: dict[int, tuple[str, datetime]] = {}
        self.done = 0

    def teardown(self) -> None:
        assert audit.verify(self.ledger) is None
        self.ledger.dispose()
        self.folder.cleanup()

    def ask(self, action: str, allowed: bool, **more: object) -> bool:
        """Do it in the ledger; whether it was done, which must be what the simple model expects."""
        try:
            transition(self.ledger, "late", action=action, by="ada", at=next(self.clock), **more)  # type: ignore[arg-type]
            did = True
        except OutlastError:
            did = False
        assert did == allowed, (action, more)
        self.done += did
        return did

    def evidence(self, number: int) -> bool:
        """Whether its newest verdict is younger than the day it was retired."""
        return number in self.verdicts and self.verdicts[number][1] > self.retired.get(
            number, datetime.min.replace(tzinfo=UTC)
        )

    def goes_live(self, number: int, advice: bool) -> None:
        if self.live is not None and self.live[0] != number:
            self.before.append(self.live)
        self.live, self.beside = (number, advice), None
        self.retired.pop(number, None)
        self.settle()

    def settle(self) -> None:
        """No step back leads to where one is."""
        found: list[tuple[int, bool]] = []
        for one in self.before:
            found = [*(found[:-1] if found and found[-1][0] == one[0] else found), one]
        while found and self.live is not None and found[-1][0] == self.live[0]:
            found.pop()
        self.before = found

    @rule(number=NUMBERS)
    def judge(self, number: int) -> None:
        at = next(self.clock)
        with self.ledger.write() as connection:
            self.verdicts[number] = verdicts.write(connection, "late", number, at, []), at

    @rule(number=NUMBERS, advice=st.booleans())
    def let_out(self, number: int, advice: bool) -> None:
        allowed = self.evidence(number) and self.live != (number, advice)
        verdict = self.verdicts.get(number, (None,))[0]
        if self.ask("advise" if advice else "promote", allowed, to=number, verdict=verdict):
            self.goes_live(number, advice)

    @rule(number=NUMBERS, stage=st.sampled_from(["shadow", "canary", "ab"]), share=SHARES)
    def stand_beside(self, number: int, stage: str, share: float | None) -> None:
        fits = share is None if stage == "shadow" else share is not None and 0 < share < 100
        free = self.beside is None or (self.beside[0] == number and self.beside != (number, stage, share))
        allowed = fits and free and self.live is not None and self.live[0] != number and self.evidence(number)
        verdict = self.verdicts.get(number, (None,))[0]
        if self.ask(stage, allowed, to=number, share=share, verdict=verdict):
            self.beside = (number, stage, share)
            self.retired.pop(number, None)

    @rule()
    def withdraw(self) -> None:
        if self.ask("withdraw", self.beside is not None):
            self.beside = None

    @rule()
    def roll_back(self) -> None:
        answering = self.beside is not None and self.beside[1] != "shadow"
        if self.ask("rollback", answering or bool(self.before)):
            self.beside = None
            if not answering:
                self.live = self.before.pop()
                self.settle()

    @rule()
    def retire(self) -> None:
        if self.ask("retire", self.live is not None):
            assert self.live is not None
            self.before.append(self.live)
            self.live = self.beside = None
            self.settle()

    @rule(number=NUMBERS)
    def retire_one(self, number: int) -> None:
        allowed = number not in self.retired and (self.live is None or self.live[0] != number)
        if self.ask("retire", allowed, to=number):
            self.retired[number] = transitions(self.ledger, "late")[-1].at
            self.before = [one for one in self.before if one[0] != number]
            if self.beside is not None and self.beside[0] == number:
                self.beside = None
            self.settle()

    @invariant()
    def agrees(self) -> None:
        now = current(self.ledger, "late")
        live = None if now.live is None else (now.live, now.advice)
        beside = None if now.challenger is None else (now.challenger, now.stage, now.share)
        previous = self.before[-1][0] if self.before else None
        assert (live, beside, now.previous, now.sequence) == (self.live, self.beside, previous, self.done)
        assert {number for number, state in states(self.ledger, "late").items() if state == "retired"} == set(
            self.retired
        )


def test_any_course_of_actions_keeps_the_rules() -> None:
    run_state_machine_as_test(
        Course, settings=settings(max_examples=15, stateful_step_count=20, derandomize=True, deadline=None)
    )
