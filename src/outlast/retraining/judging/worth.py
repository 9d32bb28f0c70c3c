"""By what two versions are held against each other: the contract's money, else right decisions or units of error."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.bundle.decisions import OUTCOMES, outcomes
from outlast.bundle.format import open_bundle
from outlast.monitoring.counting.grading import Terms, worths
from outlast.monitoring.subject import open_subject
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.snapshot import TEST, TRUTH

Floats = npt.NDArray[np.float64]
_ALMOST_ALL = 0.999
"""Of amounts that stand in rows no bound is known: those of the held-out rows, save one in a thousand, are it."""


@dataclass(frozen=True)
class Scale:
    """The terms decisions are priced by, in what, and how far two prices of one row, and of any two, can be apart."""

    terms: Terms
    unit: str
    paired: float
    apart: float

    def worths(self, rows: pl.DataFrame, now: datetime) -> Floats:
        """What each decision turned out to be worth; NaN where that is not known."""
        return worths(rows, self.terms, now)[0]

    def expected(self, decisions: pl.Series, chances: Floats) -> Floats | None:
        """What binary decisions are expected to be worth by some chances; None where payoffs stand in rows."""
        payoff = self.terms.payoff or {}
        amounts = [amount for row in payoff.values() for amount in row.values()]
        if self.terms.task != "binary" or any(isinstance(amount, str) for amount in amounts):
            return None
        no, yes = (
            decisions.replace_strict(
                {name: float(row[outcome]) for name, row in payoff.items()}, default=None, return_dtype=pl.Float64
            ).to_numpy()
            for outcome in OUTCOMES
        )
        return np.asarray(no + chances * (yes - no), np.float64)

    def gains(self, rows: pl.DataFrame, now: datetime) -> Floats:
        """The same above the baseline's decision."""
        ours, theirs = worths(rows, self.terms, now)
        return ours - theirs


def scale_of(workspace: Workspace, version: Version) -> Scale:
    """The scale of a version's own contract."""
    terms = open_subject(workspace, version.model, version.number).terms
    currency = version.summary["contract"]["value"]["currency"]
    if terms.task == "regression":
        money = terms.per_unit_error is not None
        terms = terms if money else replace(terms, per_unit_error=-1.0)
        bound = _worst_error(workspace, version, terms)
        return Scale(terms, f"{currency} a decision" if money else "units of error", bound, bound)
    if not terms.payoff:
        bundle = open_bundle(workspace, version.digest)
        names = outcomes(terms.task, bundle.manifest["classes"])
        right = {name: {other: float(name == other) for other in names} for name in names}
        return Scale(replace(terms, payoff=right), "right decisions", 1.0, 1.0)
    return Scale(terms, f"{currency} a decision", *_spread(workspace, version, terms))


def _spread(workspace: Workspace, version: Version, terms: Terms) -> tuple[float, float]:
    """How far two payoffs of one outcome are apart at most, and any two."""
    payoff = terms.payoff or {}
    named = {amount for row in payoff.values() for amount in row.values() if isinstance(amount, str)}
    greatest = _greatest(workspace, version, sorted(named))
    reach = {
        decision: {outcome: _reach(amount, greatest) for outcome, amount in row.items()}
        for decision, row in payoff.items()
    }
    ends = [end for row in reach.values() for both in row.values() for end in both]
    of_one = 0.0
    for outcome in next(iter(payoff.values())):
        both = [row[outcome] for row in reach.values()]
        of_one = max(of_one, max(high for _, high in both) - min(low for low, _ in both))
    return of_one or 1.0, (max(ends) - min(ends)) or 1.0


def _reach(amount: float | str, greatest: dict[str, float]) -> tuple[float, float]:
    return (-greatest[amount], greatest[amount]) if isinstance(amount, str) else (amount, amount)


def _greatest(workspace: Workspace, version: Version, names: list[str]) -> dict[str, float]:
    if not names:
        return {}
    held = workspace.tables.scan(version.summary["snapshot"]).filter(pl.col(TEST)).select(names).collect()
    return {name: _almost_all(held[name].cast(pl.Float64).fill_null(0.0).to_numpy()) for name in names}


def _worst_error(workspace: Workspace, version: Version, terms: Terms) -> float:
    unit = terms.per_unit_error
    table = workspace.tables.scan(version.summary["snapshot"]).filter(pl.col(TEST))
    price = _greatest(workspace, version, [unit])[unit] if isinstance(unit, str) else abs(unit or 1.0)
    truth = table.select(TRUTH).collect()[TRUTH].cast(pl.Float64).to_numpy()
    return (_almost_all(truth - np.median(truth)) * price) or 1.0


def _almost_all(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.quantile(np.abs(finite), _ALMOST_ALL)) if len(finite) else 1.0
