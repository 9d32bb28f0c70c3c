"""Measures whether the loop ever makes things worse: 20 drifting worlds, a frozen model and naive retraining."""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from _drifting import BEFORE, DAYS, Floats, World, worlds
from _report import conclude, table, where

from outlast.gates.champion import MONEY, measured, stands
from outlast.gates.pair import Pair
from outlast.project.contract import Contract, GateSection, RetrainingSection, ValueSection, WindowSection
from outlast.registry.versions import Version
from outlast.retraining.deciding.deciding import asking, obstacle
from outlast.retraining.deciding.facts import Facts, Shortfall
from outlast.retraining.deciding.records import Decision, What
from outlast.retraining.deciding.troubles import Trouble
from outlast.retraining.judging.back import Back, rule_back
from outlast.retraining.judging.ruling import Terms, rule
from outlast.retraining.judging.sequential import Series, mean_of
from outlast.retraining.judging.told import Mean, Readout, Side
from outlast.training.dataset import AT
from outlast.training.evaluation.paired import blocks_of, difference, holm, mean_gain
from outlast.training.evaluation.value import Scored

PAYOFF = {"call": {"yes": 10.0, "no": -4.0}, "wait": {"yes": 0.0, "no": 0.0}}
CONTRACT = Contract(value=ValueSection(payoff=PAYOFF))
EDGE, BOUND, WINDOW, HELD = 4 / 14, 10.0, 60, 0.2
START, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
PLAN = RetrainingSection(
    policy="automatic", schedule="30d", triggers=["harm"], cooldown="5d", labels=300, budget=6,
    window=WindowSection(use="recent", length=f"{WINDOW}d", holdout=HELD),
)  # fmt: skip


@dataclass(eq=False)
class Model:
    """A fitted model: its decisions on every question, from which day on it has not seen any, what it promised."""

    fitted: Any
    calls: Any
    chances: Floats
    until: int
    promised: float


def fit(world: World, first: int, last: int) -> Model:
    """The user's fit on what is known of days first to last, and the promise of the newest fifth of them."""
    from sklearn.linear_model import LogisticRegression

    edge = int(first + (1 - HELD) * (last - first))
    train, test = (world.day >= first) & (world.day < edge), (world.day >= edge) & (world.day < last)
    fitted = LogisticRegression().fit(world.x[train], world.told[train])
    chances = fitted.predict_proba(world.x)
    calls = chances[:, 1] > EDGE
    promised = float(np.where(calls[test], np.where(world.told[test] == 1, 10.0, -4.0), 0.0).mean())
    return Model(fitted, calls, chances, edge, promised)


@dataclass(eq=False)
class Loop:
    """The loop in one world, day by day, through the functions that decide and judge in a tick."""

    world: World
    live: Model
    before: Model | None = None
    since: int = BEFORE
    stood: int = BEFORE
    candidate: Model | None = None
    stage: str = ""
    staged: int = 0
    begun: int = 0
    past: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(11)
        self.calls = np.zeros(len(self.world.y), dtype=np.bool_)
        self.canary = rng.random(len(self.world.y)) < 0.1
        self.hours = self.world.day * 24 + rng.integers(0, 24, len(self.world.y))
        self.worth = np.where(self.world.told == 1, 10.0, -4.0)

    def note(self, what: What, day: int) -> None:
        self.past.append(Decision(0, "late", START + day * DAY, what, None, None, "", {}))

    def serve(self, day: int) -> None:
        rows = self.world.day == day
        self.calls[rows] = self.live.calls[rows]
        if self.candidate is not None and self.stage == "canary":
            drawn = rows & self.canary
            self.calls[drawn] = self.candidate.calls[drawn]

    def evening(self, day: int) -> None:
        """What the tick does after the day: take back, judge, decide."""
        if self.before is not None and self._harms(day):
            self.live, self.before, self.candidate, self.since = self.before, None, None, day + 1
            self.note("rolled back", day)
        elif self.candidate is not None:
            self._judge(day)
        else:
            self._decide(day)

    def _known(self, since: int, day: int) -> Any:
        return (self.world.day >= since) & (self.world.day <= day - self.world.delay)

    def _apart(self, ours: Model, theirs: Model, rows: Any, *, but: Any = None) -> Mean | None:
        return mean_of([self._series(ours, theirs, rows if but is None else rows & ~but)])

    def _series(self, ours: Model, theirs: Model, rows: Any) -> Series:
        gain = (ours.calls[rows].astype(float) - theirs.calls[rows]) * self.worth[rows]
        return Series(self.hours[rows], gain, BOUND)

    def _earned(self, since: int, day: int) -> Mean | None:
        rows = self._known(since, day)
        return mean_of([Series(self.hours[rows], self.live.calls[rows] * self.worth[rows], BOUND)])

    def _harms(self, day: int) -> bool:
        assert self.before is not None, "there is one to go back to"
        beside = self._known(self.stood, day) & (self.world.day < self.since)
        new, old = (self._series(self.before, self.live, rows) for rows in (self._known(self.since, day), beside))
        better = mean_of([new.after(old)])
        found = Back(2, 1, START, "EUR a decision", self.live.promised, self._earned(self.since, day), better)
        return rule_back(found, 0.05).kind == "give up"

    def _judge(self, day: int) -> None:
        assert self.candidate is not None, "there is one"
        rows = self._known(self.begun, day)
        gain = self._apart(self.candidate, self.live, rows, but=self.canary if self.stage == "canary" else None)
        pairs = int(((self.world.day >= self.begun) & (self.world.day <= day)).sum())
        side = Side(pairs, int(rows.sum()), None, 0)
        found = Readout("late", 1, 2, self.stage, START, "EUR a decision", side, side, pairs, None, int(rows.sum()),
                        int(rows.sum()), gain, None, None, 1.0)  # fmt: skip
        terms = Terms(MONEY * abs(self.live.promised), DAY, 14 * DAY)
        ruling = rule(found, terms, stage=(day + 1 - self.staged) * DAY, whole=(day + 1 - self.begun) * DAY)
        if ruling.kind == "give up":
            self.candidate = None
            self.note("given up", day)
        elif ruling.kind == "on" and self.stage == "shadow":
            self.stage, self.staged = "canary", day + 1
        elif ruling.kind == "on":
            self.before, self.live, self.candidate = self.live, self.candidate, None
            self.stood, self.since = self.begun, day + 1
            self.note("live", day)

    def _decide(self, day: int) -> None:
        facts = self._facts(day)
        ask = asking(facts, PLAN)
        if ask is None or obstacle(facts, PLAN, ask) is not None:
            return
        self.note("started", day)
        last = day + 1 - self.world.delay
        model = fit(self.world, max(0, last - WINDOW), last)
        if self._passes(model, last):
            self.candidate, self.stage, self.staged, self.begun = model, "shadow", day + 1, day + 1

    def _facts(self, day: int) -> Facts:
        now, earned = START + (day + 1) * DAY, self._earned(max(self.since, day - 30), day)
        rows, troubles = self._known(self.live.until, day), []
        last = self.world.x[(self.world.day > day - 3) & (self.world.day <= day)]
        if (last.std(axis=0) < 1e-9).any():
            troubles.append(Trouble("data", True, now, "a column is empty"))
        short = None
        if earned is not None:
            short = Shortfall(self.live.promised, earned.value, earned.low, earned.high, earned.rows, 200.0)
            if self.live.promised - earned.high > 0.05 * abs(self.live.promised):
                troubles.append(Trouble("harm", True, now, "value is lost"))
        made = START + self.live.until * DAY
        live = Version("late", 1, "", None, made, "tick", "binary", {}, {})
        return Facts(now, live, made, int(rows.sum()), short, troubles, self.past, None)

    def _passes(self, model: Model, last: int) -> bool:
        """The gate's question: no worse than what is live, on the newest rows, which neither has seen."""
        rows = (self.world.day >= max(model.until, self.live.until)) & (self.world.day < last)
        at = pl.DataFrame({AT: self.hours[rows] * 3_600_000_000})
        sides = [Scored(CONTRACT, "binary", ["no", "yes"], at, one.chances[rows], self.world.told[rows])
                 for one in (model, self.live)]  # fmt: skip
        against: Any = SimpleNamespace(number=1, summary={"value": {"per_decision": self.live.promised}})
        return stands(measured(Pair(*sides, against, 0), GateSection(), "roc_auc", seed=1))


def run(world: World) -> dict[str, Any]:
    """What the loop, the frozen model and naive retraining every week earn a decision, and how far they are apart."""
    first = fit(world, 0, BEFORE - world.delay)
    loop, naive, weekly = Loop(world, first), first, np.zeros(len(world.y), dtype=np.bool_)
    for day in range(BEFORE, DAYS):
        loop.serve(day)
        weekly[world.day == day] = naive.calls[world.day == day]
        loop.evening(day)
        if (day + 1 - BEFORE) % 7 == 0:
            last = day + 1 - world.delay
            naive = fit(world, max(0, last - WINDOW), last)
    lived = world.day >= BEFORE
    worth = np.where(world.y == 1, 10.0, -4.0)[lived]
    earned = [calls[lived] * worth for calls in (loop.calls, first.calls, weekly)]
    blocks = blocks_of(world.day[lived] * 86_400_000_000)
    apart = [difference(mean_gain(earned[0], other), blocks, 1) for other in earned[1:]]
    assert apart[0] is not None
    assert apart[1] is not None
    counts = [sum(one.what == what for one in loop.past) for what in ("started", "live", "given up", "rolled back")]
    margin = MONEY * abs(first.promised)
    return {
        "name": world.name, "earned": [float(one.mean()) for one in earned], "frozen": apart[0], "naive": apart[1],
        "counts": counts, "chance": apart[0].chance_below(-margin), "strict": apart[0].chance_below(0.0),
    }  # fmt: skip


def main() -> int:
    with get_context("spawn").Pool(2) as pool:
        found = pool.map(run, worlds(), chunksize=1)
    below, strict = (holm([one[name] for one in found]) for name in ("chance", "strict"))
    rows = [
        (
            one["name"], *(f"{value:.3f}" for value in one["earned"]),
            f"{one['frozen'].value:+.3f} ({one['frozen'].low:+.3f} to {one['frozen'].high:+.3f})",
            f"{one['naive'].value:+.3f} ({one['naive'].low:+.3f} to {one['naive'].high:+.3f})",
            *map(str, one["counts"]), f"{p:.2f}", f"{q:.2f}",
        )
        for one, p, q in zip(found, below, strict, strict=True)
    ]  # fmt: skip
    head = ("world", "loop", "frozen", "naive", "loop − frozen", "loop − naive", "trained", "live", "given up",
            "taken back", "p, margin", "p, none")  # fmt: skip
    wins = [sum(one[name].low > 0 for one in found) for name in ("frozen", "naive")]
    losses = [sum(one[name].high < 0 for one in found) for name in ("frozen", "naive")]
    said = (
        f"{table(head, rows)}\n\nEUR a decision over {DAYS - BEFORE} days. Against the frozen model the loop is "
        f"better in {wins[0]} of {len(found)} worlds and worse in {losses[0]}, against naive weekly retraining better "
        f"in {wins[1]} and worse in {losses[1]}, each by its own 95 % interval of days. The chances are Holm's."
    )
    worst = min(below)
    bar = f"nowhere surely below the frozen model by more than a tenth of its promise; the least chance is {worst:.2f}."
    return conclude("loop", found=said, bar=bar, held=worst >= 0.05, machine=where("scikit-learn", "numpy"))


if __name__ == "__main__":
    sys.exit(main())
