"""What waits for people: answers that were unsure and rows that were refused, where the contract says so.

Nothing is put into the queue: who is in it follows from the journal. A prediction waits until a label says what turned
out, whoever gives it. Claims are leases, so of two people at once one gets it, and who forgets loses it by himself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from outlast.bundle.doubt import is_unsure
from outlast.bundle.predictor import open_bundle
from outlast.errors import Conflict, NotFound, RequestError
from outlast.journal.finding import the_prediction
from outlast.journal.journal import Journal
from outlast.journal.reading import label_history, predictions, refusals
from outlast.journal.records import ActionRecord
from outlast.journal.spelling import from_text
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import sensitive
from outlast.registry.versions import Version, versions
from outlast.serving.actions import LONGEST, RESOLVED
from outlast.serving.labels import checked, truth_of
from outlast.storage.ledger import leases
from outlast.types import micros, utc

CLAIMED = timedelta(minutes=30)
"""How long a question is one person's who has claimed it."""
SINCE = timedelta(days=30)
"""How far back the queue is looked at."""
_COLUMNS = ("prediction_id", "version", "key", "at", "asks", "score", "scores", "decision", "reasons", "rung")
WITHHELD = "sensitive"


@dataclass(frozen=True)
class Waiting:
    """A question for a person, and who is at it."""

    prediction_id: str
    model: str
    version: int
    why: str
    at: datetime
    key: str | None
    asks: dict[str, Any] | None
    score: float | None
    scores: dict[str, Any] | None
    decision: str | None
    reasons: list[str]
    claimed_by: str | None = None
    claimed_until: datetime | None = None


@dataclass(frozen=True)
class Saying:
    """What somebody says turned out, perhaps why, and of which model it must be."""

    value: Any
    comment: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Resolved:
    """What somebody said turned out."""

    model: str
    prediction_id: str
    value: Any
    by: str


def waiting(workspace: Workspace, model: str, *, now: datetime, since: timedelta = SINCE) -> list[Waiting]:
    """What waits of a model, oldest first; what is older than `since` is left out."""
    known = {one.number: one for one in versions(workspace.ledger, model)}
    if not known:
        raise NotFound(f"There is no model '{model}' here: list them with `outlast versions`")
    asked = _members(workspace, model, known, utc(now) - since)
    if asked.is_empty():
        return []
    rest = _unlabelled(workspace, model, asked).sort("at", "prediction_id")
    held = leases.held(workspace.ledger, _lease(model, ""), now)
    kept = {number: sensitive(workspace.ledger, known[number]) for number in rest["version"].unique()}
    return [_told(row, model, kept[row["version"]], held) for row in rest.iter_rows(named=True)]


def claim(
    workspace: Workspace, model: str, prediction_id: str, *, by: str, now: datetime, length: timedelta = CLAIMED
) -> datetime:
    """Take a question for oneself, until the moment it gives; Conflict while somebody else has it."""
    _require_waiting(workspace, model, prediction_id, now)
    if not leases.acquire(workspace.ledger, _lease(model, prediction_id), by, length.total_seconds(), now):
        raise Conflict(_taken(workspace, model, prediction_id, now))
    return utc(now) + length


def resolve(workspace: Workspace, journal: Journal, begins: str, said: Saying, *, by: str, now: datetime) -> Resolved:
    """Say what turned out, which is a label like any other; Conflict while somebody else has the question."""
    found = the_prediction(workspace, begins)
    model, name, at = found["model"], found["prediction_id"], micros(now)
    lease = _lease(model, name)
    if said.model not in (None, model):
        raise NotFound(f"'{begins[:80]}' is a prediction of {model}, not of {said.model}")
    comment = said.comment
    if comment is not None and not 0 < len(comment.strip()) <= LONGEST:
        raise RequestError(f"The comment is not a text of 1 to {LONGEST:,} characters", details={"field": "comment"})
    given = {"prediction_id": name, "value": said.value}
    label = checked(given, _fault, model=model, truth=truth_of(workspace, model), at=at, origin=f"queue, {by}")
    _require_waiting(workspace, model, name, now)
    if not leases.acquire(workspace.ledger, lease, by, CLAIMED.total_seconds(), now):
        raise Conflict(_taken(workspace, model, name, now))
    journal.labels([label])
    journal.actions([ActionRecord(model, name, None, RESOLVED, comment, by, at, "queue")])
    leases.release(workspace.ledger, lease, by)
    return Resolved(model, name, said.value, by)


def _require_waiting(workspace: Workspace, model: str, prediction_id: str, now: datetime) -> None:
    if all(one.prediction_id != prediction_id for one in waiting(workspace, model, now=now)):
        raise NotFound(
            f"'{prediction_id[:80]}' does not wait in the queue of {model}: it was answered, or never asked there; see "
            f"`outlast queue list {model}`, and tell what turned out of any other with `outlast label`"
        )


def _members(workspace: Workspace, model: str, known: Mapping[int, Version], begin: datetime) -> pl.DataFrame:
    """What was unsure or refused since a moment, by the contract of the version that was asked."""
    unsure, refused = pl.lit(False), []
    for number, version in known.items():
        said = Contract.model_validate(version.summary["contract"]).serving
        if "unsure" in said.queue and said.unsure:
            classes = _classes(workspace, version) if version.task == "multiclass" else []
            unsure |= (pl.col("version") == number) & is_unsure(said.unsure, version.task, classes)
        if "refused" in said.queue:
            refused.append(number)
    answers = predictions(workspace, model, begin, clock="at").filter(unsure)
    rows = refusals(workspace, model, begin).filter(pl.col("version").is_in(refused))
    return pl.concat([answers.select(_COLUMNS), rows.select(_COLUMNS)]).collect()


def _classes(workspace: Workspace, version: Version) -> list[str]:
    found: list[str] = open_bundle(workspace, version.digest).manifest["classes"]
    return found


def _unlabelled(workspace: Workspace, model: str, asked: pl.DataFrame) -> pl.DataFrame:
    """Those that nobody has said anything of, neither by id nor by key."""
    labels = label_history(workspace, model)
    for name in ("prediction_id", "key"):
        mine = asked.lazy().select(pl.col(name).drop_nulls().unique())
        said = labels.select(name).join(mine, on=name, how="semi").unique().collect()
        asked = asked.filter(~pl.col(name).is_in(said[name].implode()).fill_null(False))
    return asked


def _told(row: dict[str, Any], model: str, kept: set[str], held: Mapping[str, leases.Lease]) -> Waiting:
    asks = None if row["asks"] is None else from_text(row["asks"])
    shown = asks and {name: WITHHELD if name in kept else value for name, value in asks.items()}
    lease = held.get(_lease(model, row["prediction_id"]))
    return Waiting(
        row["prediction_id"],
        model,
        row["version"],
        "refused" if row["rung"] == "refused" else "unsure",
        row["at"],
        row["key"],
        shown,
        row["score"],
        None if row["scores"] is None else from_text(row["scores"]),
        row["decision"],
        row["reasons"],
        *((lease.holder, lease.until) if lease is not None else (None, None)),
    )


def _lease(model: str, prediction_id: str) -> str:
    return f"queue/{model}/{prediction_id}"


def _taken(workspace: Workspace, model: str, prediction_id: str, now: datetime) -> str:
    name = _lease(model, prediction_id)
    lease = leases.held(workspace.ledger, name, now).get(name)
    who = "somebody else" if lease is None else f"{lease.holder} until {lease.until:%H:%M} UTC"
    return f"'{prediction_id}' is claimed by {who}: take another, or wait"


def _fault(field: str | None, says: str) -> RequestError:
    where = "What is said" if field is None else f"The field '{field[:80]}'"
    return RequestError(f"{where} {says}", details={} if field is None else {"field": field})
