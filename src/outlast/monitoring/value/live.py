"""The value of a live model for people: `outlast value MODEL`, and the same as plain values."""

from datetime import datetime
from functools import cache

from outlast.monitoring.counting.windows import stored
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.value.adoption import adoption
from outlast.monitoring.value.costs import cost_of
from outlast.monitoring.value.earned import money
from outlast.monitoring.value.told import Value
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef

Period = tuple[datetime | None, datetime | None]


def value(workspace: Workspace, model: str, *, now: datetime, period: Period = (None, None)) -> Value:
    """What is known of NAME or NAME@VERSION over a period of moments decided about; of NAME, all its versions."""
    ref = ModelRef.parse(model)
    version = find(workspace.ledger, ref)

    @cache
    def subject(number: int) -> Subject:
        return open_subject(workspace, version.model, number)

    main = subject(version.number)
    currency = main.contract.value.currency
    only = None if ref.version is None else version.number
    windows = stored(workspace.ledger, version.model, only, *period)
    promises = money(windows, lambda number: subject(number).summary.get("value"), currency)
    acted = adoption(
        workspace, version.model, lambda number: subject(number).terms, main.contract.value.groups, period, now
    )
    return Value(version.model, version.number, promises, acted, cost_of(workspace, version, currency))
