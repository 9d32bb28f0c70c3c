"""The mirror in MLflow: it follows the ledger, can be made anew from it, and nothing of ours reads it.

Importing MLflow takes seconds, so nothing calls this where a person waits. A mirror that is down, or that somebody
changed, changes nothing live: it is recorded, reported and mended the next time.
"""

import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from outlast.errors import OutlastError
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.background import OFF
from outlast.registry.mlflow_side import ALIASES, Beside, Placed, Side, faults, quietly
from outlast.registry.rollout import Rollout, current
from outlast.registry.versions import Version, models, versions
from outlast.storage.ledger import Ledger, leases
from outlast.storage.ledger.schema import mirror as table
from outlast.types import now

Besides = Callable[[Workspace, Version], Beside]

_log = logging.getLogger("outlast.mirror")
_WHOLE = 0
"""The row of the model itself, beside those of its versions."""

LEASE_SECONDS = 600
_SECRET = re.compile(r"(://[^/\s:@]*:)[^/\s@]*@")


@dataclass(frozen=True)
class Mirrored:
    """One thing the mirror did or could not do; `number` 0 is the model itself."""

    model: str
    number: int
    did: Literal["made", "pointed", "put back", "failed", "waited"]
    sentence: str


def mirror(
    workspace: Workspace,
    model: str,
    *,
    at: datetime | None = None,
    thorough: bool = False,
    beside: Besides | None = None,
) -> list[Mirrored]:
    """Bring MLflow up to the ledger for one model; what was done, nothing when all was there.

    `beside` says what is put beside each version's run. An outage of MLflow is recorded and returned as *failed*, never
    raised.
    """
    if workspace.mlflow_uri == OFF:
        return []
    moment, holder, lease = at or now(), uuid.uuid4().hex, f"mirror:{model}"
    if not leases.acquire(workspace.ledger, lease, holder, LEASE_SECONDS, now()):
        return [Mirrored(model, _WHOLE, "waited", f"Another process mirrors model '{model}' to MLflow at this moment")]
    try:
        with quietly():
            done = _Mirror(workspace, model, moment, thorough, beside).run()
    finally:
        leases.release(workspace.ledger, lease, holder)
    for one in done:
        _log.log(logging.WARNING if one.did in ("failed", "put back") else logging.INFO, "%s", one.sentence)
    return done


def rebuild(workspace: Workspace, model: str | None = None, *, at: datetime | None = None) -> list[Mirrored]:
    """Make the mirror anew from the ledger, of one model or all: everything is written again, whatever is there."""
    done: list[Mirrored] = []
    for name in [model] if model is not None else models(workspace.ledger):
        with workspace.ledger.write() as connection:
            connection.execute(sa.delete(table).where(table.c.model == name))
        done += mirror(workspace, name, at=at, thorough=True)
    return done


def failures(ledger: Ledger) -> list[Mirrored]:
    """What the mirror could not do when it last tried."""
    query = sa.select(table).where(table.c.state == "failed").order_by(table.c.model, table.c.number)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return [Mirrored(row.model, row.number, "failed", (row.detail or {}).get("sentence", "")) for row in rows]


class _Mirror:
    """One pass over one model."""

    def __init__(self, workspace: Workspace, model: str, at: datetime, thorough: bool, beside: Besides | None) -> None:
        self.workspace, self.model, self.at, self.thorough = workspace, model, at, thorough
        self.beside = beside
        self.done: list[Mirrored] = []
        self.numbers: dict[int, int] = {}

    def run(self) -> list[Mirrored]:
        known = versions(self.workspace.ledger, self.model)
        if not known:
            return []
        number = _WHOLE
        try:
            side = Side(self.workspace.mlflow_uri, self.model, self.workspace.home / "mlartifacts" / self.model)
            for version in known:  # in order, so that MLflow's own numbers come out as ours
                number = version.number
                self._version(side, version)
            number = _WHOLE
            self._point(side, current(self.workspace.ledger, self.model), known[-1].number)
        except OutlastError:
            raise  # the ledger itself: it comes as an OSError too
        except faults() as error:
            self._failed(number, f"MLflow cannot be brought up to date with {self._named(number)}: {_said(error)}")
        return self.done

    def _version(self, side: Side, version: Version) -> None:
        kept = _kept(self.workspace.ledger, self.model, version.number)
        bundle, missing = None, None
        if self.thorough or not side.has(version):
            bundle, missing = self._bundle(version)
        placed = side.place(version, bundle, thorough=self.thorough)
        self.numbers[version.number] = placed.number
        if missing is not None:
            self._failed(version.number, f"{version} is in MLflow without its bundle: {missing}")
            return
        detail = {"run_id": placed.run_id, "version": placed.number}
        if placed.made or kept is None or kept.state != "mirrored" or kept.detail != detail:
            self._keep(version.number, "mirrored", detail)
            self._tell(version.number, "made", _made(version, placed))
        self._verdict(side, version)
        if self.beside is not None:
            self._put(side, version, self.beside)

    def _put(self, side: Side, version: Version, beside: Besides) -> None:
        try:
            found = beside(self.workspace, version)
        except OutlastError as error:
            self._failed(version.number, f"{version} is in MLflow without what belongs beside it: {error.sentence}")
        else:
            side.put(version, found, thorough=self.thorough)

    def _verdict(self, side: Side, version: Version) -> None:
        with self.workspace.ledger.read() as connection:
            newest = verdicts.newest(connection, version.model, version.number)
        if newest is not None and side.judge(version, newest, thorough=self.thorough):
            _log.info("%s has verdict %s in MLflow", version, newest.digest[:12])

    def _bundle(self, version: Version) -> tuple[Path | None, str | None]:
        try:
            return self.workspace.artifacts.path(version.digest), None
        except OutlastError as error:
            return None, error.sentence

    def _point(self, side: Side, rollout: Rollout, newest: int) -> None:
        """Aliases follow the rollout; one that is not where we left it was moved by hand."""
        newer = rollout.challenger or (newest if newest > (rollout.live or 0) else None)
        wanted = {name: self.numbers.get(at) for name, at in zip(ALIASES, (rollout.live, newer), strict=True) if at}
        kept = _kept(self.workspace.ledger, self.model, _WHOLE)
        left: dict[str, int] = (kept.detail or {}).get("aliases", {}) if kept is not None else {}
        there = side.aliases()
        for name in ALIASES:
            goal, found = wanted.get(name), there.get(name)
            if goal == found:
                continue
            side.point(name, goal)
            by_hand = found != left.get(name)
            self._tell(_WHOLE, "put back" if by_hand else "pointed", self._moved(name, found, goal, by_hand))
        aliases = {name: number for name, number in wanted.items() if number is not None}
        if kept is None or kept.state != "mirrored" or left != aliases:
            self._keep(_WHOLE, "mirrored", {"aliases": aliases})

    def _moved(self, alias: str, found: int | None, goal: int | None, by_hand: bool) -> str:
        to = "at nothing" if goal is None else f"at version {goal}"
        if not by_hand:
            return f"Alias '{alias}' of model '{self.model}' in MLflow points {to} now"
        was = "was taken away" if found is None else f"pointed at version {found}"
        return (
            f"Alias '{alias}' of model '{self.model}' {was} in MLflow, not by Outlast: it points {to} again and "
            f"nothing live has changed; to change what is live use: outlast promote {self.model}@NUMBER"
        )

    def _named(self, number: int) -> str:
        return f"model '{self.model}'" if number == _WHOLE else f"{self.model}@{number}"

    def _tell(self, number: int, did: Literal["made", "pointed", "put back"], sentence: str) -> None:
        self.done.append(Mirrored(self.model, number, did, sentence))

    def _failed(self, number: int, sentence: str) -> None:
        kept = _kept(self.workspace.ledger, self.model, number)
        aliases = {"aliases": kept.detail["aliases"]} if kept is not None and "aliases" in (kept.detail or {}) else {}
        self._keep(number, "failed", {**aliases, "sentence": sentence})
        self.done.append(Mirrored(self.model, number, "failed", sentence))

    def _keep(self, number: int, state: str, detail: dict[str, Any]) -> None:
        row = {"model": self.model, "number": number, "state": state, "detail": detail, "at": self.at}
        with self.workspace.ledger.write() as connection:
            ours = (table.c.model == self.model) & (table.c.number == number)
            if not connection.execute(sa.update(table).where(ours).values(row)).rowcount:
                connection.execute(sa.insert(table).values(row))


def _kept(ledger: Ledger, model: str, number: int) -> Any:
    query = sa.select(table).where((table.c.model == model) & (table.c.number == number))
    with ledger.read() as connection:
        return connection.execute(query).one_or_none()


def _made(version: Version, placed: Placed) -> str:
    other = "" if placed.number == version.number else f", where it is version {placed.number}"
    return f"{version} is in MLflow{other}: models:/{version.model}/{placed.number}"


def _said(error: Exception) -> str:
    """What went wrong, short and without the password an address may hold."""
    return " ".join(_SECRET.sub(r"\1***@", str(error)).split())[:300].rstrip(".") or type(error).__name__
