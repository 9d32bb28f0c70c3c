"""From a reference and a budget to two banks: who is paged, and what becomes a ticket."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from outlast.errors import SettingsError
from outlast.monitoring.detecting.bank import Bank, Family
from outlast.monitoring.detecting.bets import Bets, normal, whole
from outlast.monitoring.detecting.course import Jumps, can_follow, forecast
from outlast.monitoring.detecting.dependence import course_effects, effects
from outlast.monitoring.detecting.streams import FORMS, Form, Severity
from outlast.monitoring.detecting.tables import HOUR, Floats, Season, Table, Tables, season_of

YEAR = 365 * 24 * HOUR
ENOUGH_ROWS = 5_000
ENOUGH_WEEKS = 4


@dataclass(frozen=True)
class Budget:
    """False alarms that are allowed: the chance of any page in a year, and tickets a year; seconds between checks."""

    pages: float = 0.05
    tickets: float = 1.0
    cadence: int = HOUR

    def log_threshold(self, severity: Severity) -> float:
        """log A: checks of a year, divided by the budget.

        >>> round(math.exp(Budget().log_threshold("page")))
        175200
        """
        allowed = self.pages if severity == "page" else self.tickets
        if allowed <= 0:
            raise SettingsError(f"A budget of {allowed:g} false {severity}s a year forbids every one: expected above 0")
        return math.log(max(1.0, YEAR / self.cadence / allowed))


@dataclass(frozen=True, eq=False)
class Plan:
    """Two banks, and what they rest on."""

    pages: Bank
    tickets: Bank
    budget: Budget
    rows: Mapping[str, int]
    """How many rows the reference of each table has."""
    weeks: float

    @property
    def low_power(self) -> bool:
        """Whether the reference has too few rows for a small shift to show: thresholds are not raised for it."""
        return max((rows for name, rows in self.rows.items() if name != "volume"), default=0) < ENOUGH_ROWS

    @property
    def banks(self) -> tuple[Bank, Bank]:
        return self.pages, self.tickets


Known = Mapping[str, Sequence[float]]
"""What an earlier plan for the same tables measured on the past: see `measured`."""
_ERRORS = ("error", "foreseen", "together")
_NOTHING: Known = MappingProxyType({})


def measured(plan: Plan) -> dict[str, list[float]]:
    """The effects of dependence by family, and of those that follow a course the errors of its forecasts."""
    families = [one for bank in plan.banks for one in bank.families]
    found = {one.name: one.effects.tolist() for one in families}
    for one in families:
        if isinstance(one.bets, Jumps):
            found |= {f"{one.name}: {what}": getattr(one.bets, what).ravel().tolist() for what in _ERRORS}
    return found


def planned(tables: Tables, budget: Budget, *, forms: Mapping[str, Form] = FORMS, known: Known | None = None) -> Plan:
    """The banks for these tables; families without a table give their share of the budget to the others.

    What is `known` of effects is taken for it, since measuring them takes seconds.
    """
    sides = {}
    severities: tuple[Severity, ...] = ("page", "ticket")
    for severity in severities:
        given = {name: form for name, form in forms.items() if form.severity == severity and _may(form, tables)}
        total = sum(form.share for form in given.values())
        families = [
            family(name, form, tables[form.source], form.share / total, known or _NOTHING)
            for name, form in given.items()
        ]
        sides[severity] = Bank(severity, tuple(families), budget.log_threshold(severity))
    courses = {form.source for form in forms.values() if form.follows}
    rows = {form.source: _rows(form, tables[form.source]) for form in forms.values() if form.source in tables}
    weeks = max((table.weeks for name, table in tables.items() if name not in courses), default=0.0)
    return Plan(sides["page"], sides["ticket"], budget, rows, weeks)


def _may(form: Form, tables: Tables) -> bool:
    """Whether there is what a family is watched by."""
    return form.source in tables and (not form.follows or can_follow(tables[form.source]))


def family(name: str, form: Form, table: Table, share: float, known: Known = _NOTHING) -> Family:
    """One family with its bets, season and effects of dependence."""
    mine = table
    if form.fold is not None:
        mine = table.mapped(form.fold(table.counts), None if table.past is None else form.fold(table.past))
    season = season_of(mine) if form.seasonal else Season(whole(mine.counts))
    bets = form.bets(mine)
    if isinstance(bets, Jumps):
        bets = _followed(name, bets, mine, known)
    if name in known:
        phi = np.asarray(known[name], np.float64)
    else:  # a course's errors are divided by themselves
        phi = np.ones(len(table.keys)) if isinstance(bets, Jumps) else effects(mine, bets, season)
    return Family(name, form.source, table.keys, bets, season, phi, _prior(form, mine, bets) * share, form.fold)


def _followed(name: str, bets: Jumps, table: Table, known: Known) -> Jumps:
    """Bets that follow a course, with what was measured of it, now or before."""
    kept = [known.get(f"{name}: {what}") for what in _ERRORS]
    if None in kept:
        bets = forecast(bets, table)
        return replace(bets, together=course_effects(table, bets))
    error, foreseen, together = (np.asarray(one, np.float64).reshape(bets.error.shape) for one in kept)
    return replace(bets, error=error, foreseen=foreseen, together=together)


def _prior(form: Form, table: Table, bets: Bets | Jumps) -> Floats:
    """Equal parts of streams on which anything is bet; slices by the root of their rows."""
    if not form.by_size:
        return normal((bets.weight.sum(axis=1) > 0).astype(np.float64))
    root = np.sqrt(np.maximum(1.0, table.counts.sum(axis=1)))
    return np.asarray(root / root.sum(), np.float64)


def _rows(form: Form, table: Table) -> int:
    """How many rows the best known stream of a table has."""
    counts = table.counts if form.fold is None else form.fold(table.counts)
    return round(float(counts.sum(axis=-1).max(initial=0)))
