"""Once a day: whether a classifier of the days before tells the day's rows from the reference's.

What single columns show has streams of its own; this finds what only shows in columns together. It reads a bounded
sample of rows, so it is done once for each day that is over, and never for more than a week of days at once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from outlast.data.past import Past
from outlast.errors import NotFound
from outlast.journal.columns import PREDICTIONS
from outlast.monitoring.alone import one_thread
from outlast.monitoring.checking import remembered
from outlast.monitoring.counting.checks import closed_until
from outlast.monitoring.counting.counts import cell_table
from outlast.monitoring.detecting.planning import Budget
from outlast.monitoring.detecting.together import BET, SHIFTS, TRAINED, Cells, Learnt, learn, log_evidence
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.monitoring.subject import Subject
from outlast.project.workspace import Workspace
from outlast.storage import formats
from outlast.storage.ledger import lock
from outlast.types import EPOCH, FORMAT, counted

BACK = 7
"""Days that the classifier learns from, and most days that are judged at once."""
LEAST = 100
"""Rows of a day, and of the days before, below which nothing is bet."""
SHARE = 0.10
"""Of the budget of tickets."""
_SEED = 7
_DAY = timedelta(days=1)
Bets = tuple[npt.NDArray[np.float64], int]
"""log e of each of `SHIFTS`, and how many rows were bet on."""


class Wealth(msgspec.Struct, frozen=True):
    """What the bets have won: the last day judged, and log R, log M, the first day and the rows of each bet's run."""

    day: int
    log_r: tuple[float, ...] = (-1e300,) * len(SHIFTS)
    log_m: tuple[float, ...] = (0.0,) * len(SHIFTS)
    began: tuple[int, ...] = (0,) * len(SHIFTS)
    rows: tuple[int, ...] = (0,) * len(SHIFTS)
    format: int = FORMAT


_DECODE = msgspec.msgpack.Decoder(Wealth).decode


def judge_days(workspace: Workspace, subject: Subject, *, now: datetime, hold: Callable[[], None]) -> int:
    """Bet on each day that is over and was not yet; how many incidents were opened, or became worse."""
    until = closed_until(workspace.ledger, subject.model)
    if subject.past is None or until is None or len(subject.past.sample.at) < 2 * LEAST:
        return 0
    last = (until - EPOCH) // _DAY - 1
    with workspace.ledger.read() as connection:
        kept = _read(connection, subject)
    first = last if kept is None else max(kept.day + 1, last - BACK + 1)
    raised = 0
    for day in range(first, last + 1):
        hold()
        with one_thread():
            learnt, bets = _bets(workspace, subject, subject.past, day)
        with workspace.ledger.write() as connection:
            lock(connection, _name(subject))
            if _read(connection, subject) != kept:
                return raised  # somebody else is at it
            kept, found = judged(subject, kept or Wealth(day), day, (learnt, bets))
            remembered.put(connection, subject.model, _name(subject), msgspec.msgpack.encode(kept), now)
            begin = EPOCH + day * _DAY
            scope = Scope(subject.model, subject.version, "day", begin, begin + _DAY, subject.sources)
            raised += raise_findings(connection, scope, found, subject.contract, now)
    return raised


def judged(
    subject: Subject, before: Wealth, day: int, what: tuple[Learnt | None, Bets]
) -> tuple[Wealth, list[Finding]]:
    """The wealth after a day's bets, and what is found where it passes the threshold: then all bets begin anew."""
    learnt, (log_e, rows) = what
    if learnt is None:
        return msgspec.structs.replace(before, day=day), []
    log_m = np.array(before.log_m)
    idle = log_m <= 0
    began = np.where(idle, day, before.began)
    seen = np.where(idle, 0, before.rows) + rows
    log_r = np.logaddexp(before.log_r, 0.0) + log_e
    log_m = np.maximum(log_m, 0.0) + log_e
    whole = float(np.logaddexp.reduce(log_r) - np.log(len(SHIFTS)))
    monitoring = subject.contract.monitoring
    daily = Budget(monitoring.budget, monitoring.tickets, int(_DAY.total_seconds()))
    if whole < daily.log_threshold("ticket") - np.log(SHARE):
        return Wealth(day, _floats(log_r), _floats(log_m), _ints(began), _ints(seen)), []
    best = int(np.argmax(log_r))
    return Wealth(day), [_finding(subject, learnt, int(began[best]), int(seen[best]), whole)]


def _floats(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(one) for one in values)


def _ints(values: npt.NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(one) for one in values)


def _finding(subject: Subject, learnt: Learnt, began: int, rows: int, evidence: float) -> Finding:
    names = list(dict.fromkeys(subject.profile.features[place].name for place in learnt.heaviest()))
    since = EPOCH + began * _DAY
    by = f"{names[0]} and {names[1]} together" if len(names) > 1 else names[0]
    sentence = (
        f"a classifier tells the rows since {since:%Y-%m-%d} from the reference's, most of all by {by} "
        f"({counted(rows, 'row')} bet on)"
    )
    return Finding("multivariate", None, "ticket", sentence, evidence, since=since)


def _bets(workspace: Workspace, subject: Subject, past: Past, day: int) -> tuple[Learnt | None, Bets]:
    """A classifier of the days before, and the logarithms of what its bets win on this one."""
    nothing = (None, (np.zeros(len(SHIFTS)), 0))
    today = _rows(workspace, subject, (day, day + 1), BET)
    if len(today) < LEAST:
        return nothing
    before = _rows(workspace, subject, (day - BACK, day), TRAINED)
    if len(before) < LEAST:
        return nothing
    order = np.random.default_rng(_SEED).permutation(len(past.sample.at))
    seen, kept = order[0::2], order[1::2]
    learnt = learn(subject.profile.features, past.sample.cells[seen], before)
    if learnt is None:
        return nothing
    return learnt, (log_evidence(learnt, past.sample.cells[kept], past.sample.at[kept], today), len(today))


def _rows(workspace: Workspace, subject: Subject, days: tuple[int, int], most: int) -> Cells:
    """The cells of some answers of a stretch of days, drawn by what they are about: a story retold has other ids."""
    begin, end = (EPOCH + day * _DAY for day in days)
    try:
        table = workspace.tables.scan(PREDICTIONS.stream(subject.model))
    except NotFound:
        return np.zeros((0, len(subject.profile.features)), np.uint8)
    mine = (pl.col("version") == subject.version) & pl.col("decide_at").is_between(begin, end, closed="left")
    turn = pl.coalesce("key", "prediction_id").hash(_SEED) + pl.col("decide_at").hash(_SEED)
    drawn = table.filter(mine & pl.col("cells").is_not_null()).select("cells", turn=turn)
    cells, sound = cell_table(
        drawn.bottom_k(most, by="turn").sort("turn").collect()["cells"].to_list(), len(subject.profile.features)
    )
    return cells[sound]


def _read(connection: sa.Connection, subject: Subject) -> Wealth | None:
    kept = remembered.read(connection, subject.model, _name(subject))
    if kept is None:
        return None
    return formats.read(_DECODE, kept, "What nightly bets have won", mend="remove it to begin anew")


def _name(subject: Subject) -> str:
    return f"together@{subject.version}"
