"""Two versions side by side: how they do on the same rows, and what was changed between them."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from outlast.errors import OutlastError
from outlast.gates.case import Case
from outlast.gates.champion import measured
from outlast.gates.changes import changes
from outlast.gates.compared import Compared, Plain
from outlast.gates.pair import Pair
from outlast.gates.slices import found_of, slices_of, told
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.declarations import folder_of
from outlast.registry.versions import Version
from outlast.training.evaluation.metrics import metrics_of
from outlast.training.evaluation.paired import difference, gain_in
from outlast.training.steps import Steps, Watcher

_log = logging.getLogger("outlast.gates")


def compare(workspace: Workspace, older: Version, newer: Version, *, watcher: Watcher | None = None) -> Compared:
    """How the newer does against the older, greater is better, and what was changed. This executes the code of both."""
    steps = Steps(watcher)
    with steps.step("what changed"):
        changed = changes(workspace, older, newer)
    contract = contract_of(workspace, newer)
    case = Case(workspace, _folder(workspace, older), contract, newer, older)
    with steps.step("the same rows"):
        pair, why = _paired(case)
    if pair is None:
        return Compared(older, newer, [], [], {}, why, changed)
    with steps.step("differences"):
        figures = list(_figures(case, pair))
    with steps.step("slices"):
        found = [*found_of(newer.summary), *found_of(older.summary)]
        parts = list(slices_of(pair.ours.rows, contract.gate.slices, [one for one in found if _has(pair, one)]))
        slices = [one.plain() for one in told(pair, case, parts)[0]]
    rows = {"count": len(pair.y), "blocks": pair.blocks.count, "unit": pair.blocks.unit, "left_out": pair.left}
    return Compared(older, newer, figures, slices, rows, None, changed)


def _folder(workspace: Workspace, version: Version) -> Path | None:
    return folder_of(workspace, version.model)


def _paired(case: Case) -> tuple[Pair | None, str | None]:
    if case.rival is None:
        return None, "both have the same bytes"
    try:
        return case.pair, None
    except OutlastError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - both versions' code runs here, and may raise anything
        _log.exception("%s and %s could not be asked the same rows", case.candidate, case.rival)
        return None, f"the code of one of them raised {type(error).__name__}: {error}"


def _has(pair: Pair, found: Any) -> bool:
    return all(name in pair.ours.rows.columns for name in found["columns"])


def _figures(case: Case, pair: Pair) -> Iterator[Plain]:
    """The metric of the gate and money, which have margins, then the other metrics."""
    seed, ones = case.candidate.number, np.ones(len(pair.y))
    ours, theirs = (metrics_of(pair.task, pair.y, one.table) for one in (pair.ours, pair.theirs))
    for one in measured(pair, case.contract.gate, case.metric, seed=seed):
        if one.name == case.metric:
            sides = theirs[one.name](ones), ours[one.name](ones)
        else:
            assert pair.money is not None, "money is measured where both have some"
            sides = float(pair.money[1].mean()), float(pair.money[0].mean())
        yield {"name": one.name, "older": sides[0], "newer": sides[1], **one.plain()}
    for name in ours:
        apart = difference(gain_in(name, pair.task, pair.y, pair.ours.table, pair.theirs.table), pair.blocks, seed)
        if name != case.metric and apart is not None:
            yield {"name": name, "older": theirs[name](ones), "newer": ours[name](ones), "found": None, **apart.plain()}
