"""What the watch knows about a model, for people: `outlast monitor MODEL`, and the same as plain values."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from outlast.journal.strays import Strays, last_count
from outlast.monitoring.audits import Audited, audited
from outlast.monitoring.checking.expected import Expected, expected_of
from outlast.monitoring.checking.plans import said_of
from outlast.monitoring.counting.counts import merged
from outlast.monitoring.counting.windows import Window, stored
from outlast.monitoring.figures import METRICS, Figure, Figures, figures
from outlast.monitoring.incidents.beginnings import begun
from outlast.monitoring.sliced import SliceFigures, of_slices
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.alerts import Alert, alerts
from outlast.monitoring.telling.routes import place
from outlast.monitoring.value.adoption import adoption, is_told
from outlast.monitoring.value.earned import money
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.scoring.planned import last_of, plan_says
from outlast.types import ModelRef, now, span

MAIN = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "mae"}
"""The metric that is shown first, as in training."""


@dataclass(frozen=True)
class Line:
    """One window: how many predictions, how many labels, how good, how much money, and what was found."""

    starts_at: datetime
    rows: int
    coverage: Figure
    metric: Figure
    value: Figure
    findings: tuple[dict[str, Any], ...]
    """Of the window and the day that it ends, and what checks found first in it."""


@dataclass(frozen=True)
class Report:
    """A version under watch: every window, all of them together, and the alerts."""

    model: str
    version: int
    cadence: str
    currency: str
    metric: str
    expected: dict[str, float] | None
    """The main metric in the evaluation: value, low, high; None when it was not evaluated."""
    lines: tuple[Line, ...]
    total: Figures | None
    """None when there is no window yet."""
    alerts: tuple[dict[str, Any], ...]
    strays: Strays | None
    """What became of the model's labels, as the last tick counted them; None before the first label."""
    audits: tuple[Audited, ...] = ()
    """The audits of the model's served features, of whichever version, a day each; the newest last."""
    scoring: str | None = None
    """The table that the contract wants scored, and what became of the last; None where it wants none."""
    promise: str | None = None
    """How the gain of a decision compares with the promise at promotion; None before a decision has a price."""
    adoption: str | None = None
    """What people do with the answers; None where nobody ever told."""
    expected_now: Expected | None = None
    """What the newest answers will turn out to be worth, estimated before their labels are here."""
    rehearsal: str | None = None
    """What the detectors would have done on the version's own past; None before the first tick, or without a past."""
    slices: tuple[SliceFigures, ...] = ()
    """What the contract declares to be looked at by itself; what gains least first."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; moments are ISO 8601."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def report(workspace: Workspace, model: str, *, since: datetime | None = None, until: datetime | None = None) -> Report:
    """What is known about NAME or NAME@VERSION (by default the live one, else the latest) between two moments."""
    version = find(workspace.ledger, ModelRef.parse(model))
    subject = open_subject(workspace, version.model, version.number)
    found = stored(workspace.ledger, version.model, version.number, since, until)
    name = MAIN[subject.task]
    total = merged(window.counts for window in found)
    return Report(
        version.model,
        version.number,
        span(subject.cadence),
        subject.contract.value.currency,
        name,
        subject.summary.get("metrics", {}).get(name),
        tuple(
            _line(window, subject, findings)
            for window, findings in zip(found, begun(workspace.ledger, version.model, found), strict=True)
        ),
        None if total is None else figures(total, subject.profile, subject.task),
        tuple(_told(alerts(workspace.ledger, version.model), version.number)),
        last_count(workspace.ledger).get(version.model),
        tuple(audited(workspace.ledger, version.model, since, until)),
        _scoring(workspace, subject),
        _promise(found, subject),
        _adoption(workspace, subject, (since, until)),
        expected_of(workspace.ledger, subject),
        said_of(workspace.ledger, version.model, version.number),
        tuple(of_slices(workspace.ledger, subject, name, since, until)),
    )


def _promise(windows: list[Window], subject: Subject) -> str | None:
    found = money(windows, lambda _: subject.summary.get("value"), subject.contract.value.currency)
    return found.says if found.gain.value is not None else None


def _adoption(workspace: Workspace, subject: Subject, period: tuple[datetime | None, datetime | None]) -> str | None:
    if not is_told(workspace, subject.model):
        return None
    return adoption(workspace, subject.model, lambda _: subject.terms, (), period, now()).says


def _scoring(workspace: Workspace, subject: Subject) -> str | None:
    plan, last = subject.contract.scoring, last_of(workspace.ledger, subject.model)
    if plan.schedule is None:
        return None
    return f"{plan_says(plan)}; {'none was scored yet' if last is None else last.says}"


def _line(window: Window, subject: Subject, findings: tuple[dict[str, Any], ...]) -> Line:
    # Only what a line shows is computed: a year has thousands of windows.
    shown = figures(window.counts, subject.profile, subject.task, columns=False)
    metric = METRICS[subject.task][MAIN[subject.task]](window.counts)
    return Line(window.starts_at, window.counts.rows, shown.coverage, metric, shown.value, findings)


def _told(found: Sequence[Alert], version: int) -> list[dict[str, Any]]:
    return [
        {
            "id": alert.id,
            "kind": alert.kind,
            "severity": alert.severity,
            "at": alert.at,
            "from": alert.detail.get("from") or alert.at.isoformat(),
            "sentence": alert.sentence,
            "route": place(alert.route),
            "delivered_at": alert.delivered_at,
            "attempts": alert.attempts,
            "error": alert.detail.get("error"),
            "moved": [place(route) for route in alert.detail.get("moved", ())],
        }
        for alert in found
        if alert.detail["version"] == version
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
