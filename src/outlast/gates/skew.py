"""The golden replay over HTTP: a server of the candidate's own, on this machine, must give the answers of training."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outlast.bundle.machine import made_here
from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.replay import Replayed, Row, compare, fill_golden, replay, replay_simpler, replayable
from outlast.errors import OutlastError, StorageError
from outlast.gates.verdict import Check
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.versions import Version, register
from outlast.serving.server import local
from outlast.serving.spare.proofs import Proofs

_log = logging.getLogger("outlast.gates")
_PATIENCE = 60.0
_KEPT = 20


def answers_alike(workspace: Workspace, version: Version, *, now: datetime) -> Check:
    """Whether the version, served, gives its golden rows the answers that they had in training."""
    try:
        with live_alone(workspace, version, now) as (place, predictor), local(place, opener=unhurried) as address:
            done = _replayed(predictor, address)
    except OutlastError as error:
        return Check("skew", None, f"its golden rows could not be asked: {error}")
    except Exception as error:  # noqa: BLE001 - the version's code runs here, and may raise anything
        _log.exception("%s could not be asked its golden rows", version)
        return Check("skew", None, f"its golden rows could not be asked: {type(error).__name__}: {error}")
    if done.passed:  # servers of this machine need not try it aside once more
        Proofs(workspace).note(version.digest, at=now, seconds=0.0, by="gate")
    says = done.sentence if done.passed is not True else f"over HTTP, {done.sentence}"
    evidence = {"rows": done.rows, "whole": done.whole, "facts": done.facts, "exact": done.exact}
    return Check("skew", done.passed, says, {**evidence, "differences": list(done.differences[:_KEPT])})


@contextmanager
def live_alone(workspace: Workspace, version: Version, now: datetime) -> Iterator[tuple[Workspace, Predictor]]:
    """The version live in a workspace of its own that is thrown away, with the facts of its golden rows."""
    with TemporaryDirectory(prefix="outlast-gate-") as folder:
        place = Workspace(Path(folder))
        try:
            digest = place.artifacts.put(workspace.artifacts.get(version.digest))
            _make_live(place, version, now)
            predictor = open_predictor(place, digest, 1)
            fill_golden(predictor, place.fresh, replayable(predictor))
            yield place, predictor
        finally:
            place.fresh.close()
            place.ledger.dispose()


def unhurried(place: Workspace, digest: str, version: int) -> Predictor:
    """The version over these facts alone: golden rows bring few of them, and no age is asked of those."""
    return open_predictor(place, digest, version).over(place.fresh)


def _make_live(place: Workspace, version: Version, now: datetime) -> None:
    alone = register(
        place.ledger, version.model, digest=version.digest, code_digest=version.code_digest, task=version.task,
        summary={}, lineage={}, by="gate", at=now,
    )  # fmt: skip
    with place.ledger.write() as connection:
        verdict = verdicts.write(connection, version.model, alone.number, now, [])
    transition(place.ledger, version.model, action="promote", to=alone.number, by="gate", at=now, verdict=verdict)


def _replayed(predictor: Predictor, address: str) -> Replayed:
    chosen = replayable(predictor)
    if not chosen:
        return replay(predictor)
    exact = made_here(predictor.manifest)
    requests = [golden["request"] for golden in chosen]
    alone = [_asked(address, predictor.model, request) for request in requests]
    many = _asked(address, predictor.model, {"rows": requests})["predictions"]
    found = [
        *compare(predictor, chosen, alone, exact=exact),
        *compare(predictor, chosen, many, exact=exact, alone=False),
        *replay_simpler(predictor, exact=exact),
    ]
    facts = sum(len(rows) for golden in chosen for rows in golden.get("facts", {}).values())
    return Replayed(len(predictor.golden), len(chosen), facts, exact, tuple(dict.fromkeys(found)))


def _asked(address: str, model: str, body: Row) -> dict[str, Any]:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=_PATIENCE)
    try:
        connection.request("POST", f"/predict/{model}", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise StorageError(f"the server of the gate at {address} did not answer: {error}; try again") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise StorageError(f"the server of the gate answered {answer.status}: {json.dumps(found)[:300]}")
    return found
