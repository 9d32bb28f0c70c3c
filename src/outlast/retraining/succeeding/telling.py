"""Telling people what the loop did: a page where something was rolled back, else a ticket."""

from datetime import datetime

import sqlalchemy as sa

from outlast.monitoring.judge import Severity
from outlast.monitoring.telling.alerts import Message, say
from outlast.project.contract import Contract
from outlast.registry.versions import Version
from outlast.retraining.deciding.records import Step


def tell(connection: sa.Connection, contract: Contract, version: Version, step: Step, now: datetime) -> None:
    """Say what the loop did to a version, once, within the caller's transaction."""
    severity: Severity = "page" if step.what == "rolled back" else "ticket"
    about = (version.model, str(version.number), step.what, f"{now:%Y-%m-%d}" if step.what == "waits" else "")
    detail = {"version": version.number, "owner": contract.model.owner, "runbook": contract.model.runbook}
    message = Message(version.model, f"successor {step.what}", about, severity, step.sentence, detail)
    say(connection, message, contract.monitoring.routes, now)
