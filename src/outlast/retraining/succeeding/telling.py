"""Telling people what the loop did: a page where something was rolled back, else a ticket."""

from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.judge import Finding, Severity
from outlast.monitoring.telling.alerts import Scope, raise_alerts
from outlast.project.contract import Contract
from outlast.registry.versions import Version
from outlast.retraining.deciding.records import Step


def tell(connection: sa.Connection, contract: Contract, version: Version, step: Step, now: datetime) -> None:
    """Raise what the loop did to a version, once, within the caller's transaction."""
    scope = Scope(version.model, version.number, "window", now, now)
    severity: Severity = "page" if step.what == "rolled back" else "ticket"
    finding = Finding(f"successor {step.what}", None, severity, step.sentence, None)
    raise_alerts(connection, scope, [finding], contract, now)
