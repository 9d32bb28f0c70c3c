"""What the plan would have done on the model's own past: replayed before anyone is woken by it.

Two hundred histories are drawn from the past in blocks of a week (of a day where there are fewer than six weeks), each
as long as the past, and every bank runs through them. Where it alarms more often than its budget allows, the streams
that alarmed are taken to be more dependent, and it runs again. The past is the one the margins and effects were
measured on, so that this finds what they left out, and cannot find what the past never showed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from outlast.monitoring.detecting.bank import Bank, Family
from outlast.monitoring.detecting.course import Jumps
from outlast.monitoring.detecting.planning import ENOUGH_ROWS, ENOUGH_WEEKS, YEAR, Plan
from outlast.monitoring.detecting.streams import Severity
from outlast.monitoring.detecting.tables import HOUR, SLOTS, Ints, Table, Tables, slot_of

HISTORIES = 200
_TRIAL = 40
_DAY = 24 * HOUR
_WEEKLY = 6
_LEAST_DAYS = 4
_RAISE, _LEAP = 1.3, 2.0
_ROUNDS = 12
_FINALS = 3
_CEILING = 50.0
"""log e of one check is cut here, in single precision: ten orders beyond any threshold."""

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Replay:
    """How often one bank alarmed where nothing but the past was."""

    severity: Severity
    own: int
    """Alarms on the past as it was."""
    alarms: int
    """Alarms in the drawn histories."""
    years: float
    """How long these are together."""
    allowed: float
    """Alarms a year, by the budget."""
    streams: tuple[str, ...] = ()
    """Who was raised for it, the most often first."""

    @property
    def within(self) -> bool:
        return self.alarms <= self.allowed * self.years

    def interval(self) -> tuple[float, float]:
        """Alarms a year, 95 %: of drawing histories, not of the past being what it was (Garwood 1936)."""
        low, high = poisson_interval(self.alarms)
        return low / self.years, high / self.years


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """The plan after its rehearsal, and what it did; no replays where the past is too short for any."""

    plan: Plan
    replays: tuple[Replay, ...]

    @property
    def sentence(self) -> str:
        """On your past this would have paged k times; and whether there is enough of it."""
        if not self.plan.low_power:
            return self._tried
        return f"{self._tried}; with fewer than {ENOUGH_ROWS:,} rows it has low power, small shifts do not show"

    @property
    def _tried(self) -> str:
        weeks = self.plan.weeks
        if not self.replays:
            return f"The past has {weeks:.1f} weeks: too short to try how often this would have paged"
        page = self.replays[0]
        low, high = page.interval()
        said = (
            f"On your past of {weeks:.1f} weeks this would have paged {_times(page.own)}; "
            f"in {page.years:.0f} years drawn from it {_times(page.alarms)} "
            f"({low:.2g} to {high:.2g} a year, {page.allowed:.2g} allowed)"
        )
        if not page.within:
            said += ", which is more than the budget: the past itself has what looks like incidents"
        if weeks < ENOUGH_WEEKS:
            said += f"; with fewer than {ENOUGH_WEEKS} weeks that is an aim and no more"
        return said


def rehearsed(
    plan: Plan, tables: Tables, *, seed: int, histories: int = HISTORIES, hold: Callable[[], None] = lambda: None
) -> Rehearsal:
    """The plan with effects raised until its own past keeps the budget, and what it did there.

    `hold` is called again and again, by whoever has a lease to keep.
    """
    if plan.weeks * 7 < _LEAST_DAYS or not any(table.past is not None for table in tables.values()):
        return Rehearsal(plan, ())
    found = [_fitted(bank, plan, tables, (seed, histories), hold) for bank in plan.banks if bank.families]
    banks = {bank.severity: bank for bank, _ in found}
    pages, tickets = banks.get("page", plan.pages), banks.get("ticket", plan.tickets)
    return Rehearsal(replace(plan, pages=pages, tickets=tickets), tuple(replay for _, replay in found))


def _fitted(
    bank: Bank, plan: Plan, tables: Tables, how: tuple[int, int], hold: Callable[[], None]
) -> tuple[Bank, Replay]:
    """Trials on a few histories until they keep the budget, then on all."""
    seed, histories = how
    allowed = plan.budget.pages if bank.severity == "page" else plan.budget.tickets
    stage = _Stage.of(bank, tables)
    raised: dict[str, int] = {}
    finals, trial = 0, min(_TRIAL, histories)
    count = trial
    for round_ in range(_ROUNDS):
        hold()
        order = stage.drawn(np.random.default_rng([seed, round_]), count)
        alarms = stage.run(order)
        years = count * stage.years
        if int(alarms.sum()) <= allowed * years or round_ == _ROUNDS - 1 or finals == _FINALS:
            if count == histories:
                break
            count, finals = histories, finals + 1
            continue
        for stream in np.flatnonzero(alarms):
            raised[stage.names[stream]] = raised.get(stage.names[stream], 0) + int(alarms[stream])
        bank = stage.raised(bank, alarms, _LEAP if alarms.sum() > 3 * allowed * years + 3 else _RAISE)
        stage = _Stage.of(bank, tables)
    if count != histories:
        years = histories * stage.years
        alarms = stage.run(stage.drawn(np.random.default_rng([seed, _ROUNDS]), histories))
    own = stage.run(np.arange(stage.length)[:, None])
    most = tuple(sorted(raised, key=lambda name: (-raised[name], name)))
    return bank, Replay(bank.severity, int(own.sum()), int(alarms.sum()), years, allowed, most)


@dataclass(eq=False)
class _Stage:
    """One bank's past as products of bets, so that a history is a choice of rows."""

    odds: Singles
    """e, [block, column]: the columns are the bets of every stream that have a weight."""
    weight: Singles
    owner: Ints
    """The stream of each column."""
    names: list[str]
    log_threshold: float
    block: int

    @classmethod
    def of(cls, bank: Bank, tables: Tables) -> "_Stage":
        parts, weights, owners = [], [], []
        names: list[str] = []
        length, block = _blocks_of(bank, tables)
        for one in bank.families:
            used = np.flatnonzero((one.bets.weight * one.prior[:, None]).ravel() > 0)
            parts.append(_odds(one, tables[one.source], length)[:, used])
            weights.append((one.bets.weight * one.prior[:, None]).ravel()[used])
            owners.append(len(names) + used // len(one.bets.names))
            names += [f"{one.name}: {key}" for key in one.keys]
        odds = np.ascontiguousarray(np.concatenate(parts, axis=1))  # rows are taken whole
        weight = np.concatenate(weights).astype(np.float32)
        return cls(odds, weight, np.concatenate(owners), names, bank.log_threshold, block)

    @property
    def length(self) -> int:
        return len(self.odds)

    @property
    def years(self) -> float:
        return self.length * self.block / YEAR

    def drawn(self, rng: np.random.Generator, count: int) -> Ints:
        """[step, history]: which block of the past each step takes; blocks begin at the same hour of a day."""
        days = self.length * self.block / _DAY
        width = max(1, (SLOTS * HOUR if days >= 7 * _WEEKLY else _DAY) // self.block)
        width = min(width, self.length)
        step = max(1, _DAY // self.block)
        firsts = np.arange(0, self.length - width + 1, step)
        pieces = -(-self.length // width)
        starts = rng.choice(firsts, size=(pieces, count))
        order = starts[:, None, :] + np.arange(width)[None, :, None]
        return np.asarray(order.reshape(-1, count)[: self.length], np.int64)

    def run(self, order: Ints) -> Ints:
        """How often each stream is the first that an alarm names, over all histories."""
        threshold = np.float32(math.exp(self.log_threshold))
        found = np.zeros(len(self.names), np.int64)
        r = np.zeros((order.shape[1], len(self.weight)), np.float32)
        taken = np.empty_like(r)
        for rows in order:
            np.take(self.odds, rows, axis=0, out=taken, mode="clip")
            r += 1
            r *= taken
            for history in np.flatnonzero(r @ self.weight >= threshold):
                holders = self._holders(r[history] * self.weight, float(threshold))
                found[holders[0]] += 1
                r[history, np.isin(self.owner, holders)] = 0
        return found

    def _holders(self, mine: Singles, threshold: float) -> Ints:
        """As a bank names them: the most evidence first, until a hundredth of the threshold is left."""
        sums = np.bincount(self.owner, weights=mine, minlength=len(self.names))
        order = np.argsort(-sums, kind="stable")
        left = np.cumsum(sums[order][::-1])[::-1]
        return np.asarray(order[left >= threshold / 100], np.int64)

    def raised(self, bank: Bank, alarms: Ints, factor: float) -> Bank:
        """The streams that alarmed count as more dependent."""
        first, families = 0, []
        for one in bank.families:
            mine = alarms[first : first + len(one.keys)]
            first += len(one.keys)
            families.append(replace(one, effects=one.effects * np.where(mine > 0, factor, 1.0)))
        return replace(bank, families=tuple(families))


def _blocks_of(bank: Bank, tables: Tables) -> tuple[int, int]:
    """How many blocks of the past are replayed, and how long each is: as many as the longest reference has.

    A course may have been followed for longer, to learn how well it is forecast; its last blocks are replayed.
    """
    others = {one.source for one in bank.families if not isinstance(one.bets, Jumps)}
    known = [(len(one.past), one.block, name in others) for name, one in tables.items() if one.past is not None]
    length, block, _ = max(known, key=lambda one: (one[2], one[0]))
    return length, block


def _odds(one: Family, table: Table, length: int) -> Singles:
    """[block, stream and bet]: e of each block of the past; 1 for a table that has none.

    Bets that follow a course are replayed along it as it was, whatever the order in which blocks are drawn later.
    """
    width = len(one.keys) * len(one.bets.names)
    found = np.ones((length, width), np.float32)
    if table.past is None or table.starts is None:
        return found
    if isinstance(one.bets, Jumps):
        log_e = (one.bets.replayed(table) / one.effects[:, None]).reshape(len(table.past), width)[-length:]
        found[length - len(log_e) :] = np.exp(np.minimum(log_e, _CEILING))
        return found
    for mine, slot in _by_slot(one, table):
        counts = one.folded(table.past[mine])
        log_e = np.matmul(counts.transpose(1, 0, 2), one.weights(slot)) / one.effects[:, None, None]
        e = np.exp(np.minimum(log_e, _CEILING))
        found[length - len(table.past) + mine] = e.transpose(1, 0, 2).reshape(-1, width)
    return found


def _by_slot(one: Family, table: Table) -> Iterator[tuple[Ints, int]]:
    """Blocks that have one hour's weights."""
    slots = slot_of(table.starts if table.starts is not None else 0)
    if one.season.by_slot is None:
        for mine in np.array_split(np.arange(len(slots)), max(1, len(slots) // 500)):
            yield mine, 0
        return
    for slot in np.unique(slots):
        yield np.flatnonzero(slots == slot), int(slot)


def poisson_interval(count: int) -> tuple[float, float]:
    """Means that a count does not speak against, at 95 % (Garwood 1936).

    >>> [round(limit, 2) for limit in poisson_interval(3)]
    [0.62, 8.77]
    """
    low = 0.0 if count == 0 else _solved(count - 1, 0.975)
    return low, _solved(count, 0.025)


def _solved(count: int, chance: float) -> float:
    """The mean at which at most `count` come with this chance."""
    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        term = total = math.exp(-middle)
        for k in range(1, count + 1):
            term *= middle / k
            total += term
        low, high = (middle, high) if total > chance else (low, middle)
    return (low + high) / 2


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
