"""Processes that promote, approve and roll back at the same moment, and what must hold of their ledger afterwards."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outlast.registry import audit, verdicts
from outlast.registry.approvals import approvals
from outlast.registry.rollout import current, transition, transitions
from outlast.registry.versions import register, versions
from outlast.storage.ledger import Ledger, Outside, open_ledger

MODEL, VERSIONS = "raced", 3
START = datetime(2024, 1, 1, tzinfo=UTC)

RACER = """
import sys
from pathlib import Path
from outlast.errors import Conflict, Refused
from outlast.registry.approvals import Rules, decide
from outlast.registry.rollout import current, transition
from outlast.registry.versions import find
from outlast.storage.ledger import Outside, open_ledger
from outlast.types import ModelRef, now
url, heads, me, *passed = sys.argv[1:]
place = int(me.removeprefix("racer-"))
with open_ledger(url, Outside(Path(heads))) as ledger:
    print("ready", flush=True)
    for line in sys.stdin:
        sequence, live, turn = (int(word) for word in line.split())
        back = (turn + place) % 3 == 0 and current(ledger, "raced").previous is not None
        to = 1 + (live + (turn + place) % 2) % 3
        order = {"action": "rollback"} if back else {"action": "promote", "to": to, "verdict": passed[to - 1]}
        ended = "lost"
        try:
            transition(ledger, "raced", **order, by=me, at=now(), expected=sequence)
            ended = "won"
        except Conflict:
            pass
        # A rejection is lifted again at once, so that it stands in the way of nobody's next round.
        for decision in ("reject", "approve"):
            decide(ledger, find(ledger, ModelRef("raced", to)), decision, by=me, reason="seen", at=now(),
                   rules=Rules(0, False))
        print(ended, flush=True)
"""


@dataclass(frozen=True)
class Raced:
    """What a number of rounds came to."""

    rounds: int
    winners: tuple[int, ...]
    """How many won each round."""
    steps: int
    said: int
    expected_said: int
    broken: str | None

    @property
    def held(self) -> bool:
        one_each = all(count == 1 for count in self.winners)
        return one_each and self.steps == self.rounds + 1 and self.said == self.expected_said and self.broken is None


def race(url: str, outside: Outside, *, rounds: int, racers: int) -> Raced:
    """Rounds in which every racer decides on the same state at once."""
    with open_ledger(url, outside) as ledger:
        passed = []
        for number in range(1, VERSIONS + 1):
            register(ledger, MODEL, digest=f"d{number}", code_digest=None, task="binary", summary={}, lineage={},
                     by="ada", at=START)  # fmt: skip
            with ledger.write() as connection:
                passed.append(verdicts.write(connection, MODEL, number, START, [{"name": "floors", "passed": True}]))
        transition(ledger, MODEL, action="promote", to=1, verdict=passed[0], by="ada", at=START)
        command = [sys.executable, "-c", RACER, url, str(outside.file)]
        started = [_started([*command, f"racer-{n}", *passed]) for n in range(racers)]
        try:
            winners, said = _rounds(ledger, started, rounds)
        finally:
            for racer in started:
                racer.communicate(timeout=60)
        assert [racer.returncode for racer in started] == [0] * racers
        return _outcome(ledger, rounds, winners, said)


def _started(command: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def _rounds(ledger: Ledger, started: list[Any], rounds: int) -> tuple[list[int], int]:
    for racer in started:
        assert racer.stdout.readline() == "ready\n"
    winners, said = [], 0
    for turn in range(rounds):
        now = current(ledger, MODEL)
        for racer in started:
            racer.stdin.write(f"{now.sequence} {now.live} {turn}\n")
        ended = [racer.stdout.readline().strip() for racer in started]
        winners.append(ended.count("won"))
        said += len(started) * 2
    return winners, said


def _outcome(ledger: Ledger, rounds: int, winners: list[int], expected: int) -> Raced:
    steps = transitions(ledger, MODEL)
    broken = None if (found := audit.verify(ledger)) is None else found.sentence
    if [step.sequence for step in steps] != list(range(1, len(steps) + 1)):
        broken = broken or "the history has a gap"
    if [step.from_version for step in steps[1:]] != [step.to_version for step in steps[:-1]]:
        broken = broken or "the history does not follow itself"
    now = current(ledger, MODEL)
    if (now.live, now.sequence) != (steps[-1].to_version, len(steps)):
        broken = broken or "what is live is not what the history ends in"
    said = sum(len(approvals(ledger, version)) for version in versions(ledger, MODEL))
    return Raced(rounds, tuple(winners), len(steps), said, expected, broken)
