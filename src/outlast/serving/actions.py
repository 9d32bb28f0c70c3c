"""What people did with an answer: followed it, overrode it or ignored it, and why; over HTTP and by hand alike.

An action belongs to a prediction or to a key of the model's questions, and is kept beside it. Later actions are added.
"""

from functools import partial
from typing import Any

from outlast.errors import RequestError, nearest
from outlast.journal.finding import the_prediction
from outlast.journal.journal import Journal
from outlast.journal.records import ActionRecord
from outlast.project.workspace import Workspace
from outlast.serving.labels import Truth, key_of, truth_of
from outlast.types import micros, now

DONE = ("followed", "overridden", "ignored")
SAID = "commented"
"""The word for a comment on an answer that nothing was done with yet."""
RESOLVED = "resolved"
"""The word for a question that somebody of the queue has answered."""
FIELDS = ("prediction_id", "key", "action", "comment", "by")
LONGEST = 2_000
"""Characters of a comment."""


def action_of(one: Any, index: int, *, model: str, truth: Truth | None, at: int, origin: str) -> ActionRecord:
    """An action as it is kept; RequestError names its place, the field and what was expected."""
    fault = partial(_fault, index)
    if not isinstance(one, dict):
        raise fault(None, "is not an object: expected prediction_id or key, and action or comment")
    unknown = next((name for name in one if name not in FIELDS), None)
    if unknown is not None:
        raise fault(unknown, f"is not a field of an action: {nearest(unknown, FIELDS)}")
    prediction_id, key = one.get("prediction_id"), one.get("key")
    if (prediction_id is None) == (key is None):
        raise fault("prediction_id", "and key: expected exactly one of the two")
    if prediction_id is not None and not (isinstance(prediction_id, str) and 0 < len(prediction_id) <= 200):
        raise fault("prediction_id", "is not the text that a prediction was answered with")
    comment = _text(one, "comment", index, LONGEST)
    return ActionRecord(
        model,
        prediction_id,
        None if key is None else key_of(key, fault, truth),
        _action(one.get("action"), comment, index),
        comment,
        _text(one, "by", index, 200),
        at,
        origin,
    )


def act(workspace: Workspace, subject: str, given: dict[str, Any], *, by: str) -> ActionRecord:
    """Keep one action given by hand: about a prediction, by how its id begins, or about a model's key."""
    at = micros(now())
    if "key" in given:
        record = action_of(
            {**given, "by": by}, 0, model=subject, truth=truth_of(workspace, subject), at=at, origin="command"
        )
    else:
        found = the_prediction(workspace, subject)
        about = {**given, "by": by, "prediction_id": found["prediction_id"]}
        record = action_of(about, 0, model=found["model"], truth=None, at=at, origin="command")
    with Journal(workspace) as journal:
        journal.actions([record])
    return record


def _action(said: Any, comment: str | None, index: int) -> str:
    if said is None and comment is not None:
        return SAID
    if said in DONE:
        return str(said)
    hint = nearest(said, DONE) if isinstance(said, str) else f"expected {', '.join(DONE)}, or a comment alone"
    raise _fault(index, "action", f"is {'missing' if said is None else repr(said)[:60]}: {hint}")


def _text(one: dict[str, Any], name: str, index: int, longest: int) -> str | None:
    said = one.get(name)
    if said is None:
        return None
    if not isinstance(said, str) or not said.strip() or len(said) > longest:
        raise _fault(index, name, f"is not a text of 1 to {longest:,} characters")
    try:
        said.encode()
    except UnicodeEncodeError:
        raise _fault(index, name, "holds half of a character: expected text") from None
    return said.strip()


def _fault(index: int, field: str | None, says: str) -> RequestError:
    where = f"Action {index}" if field is None else f"Action {index}, field '{field[:80]}'"
    return RequestError(f"{where} {says}", details={"row": index, **({} if field is None else {"field": field})})
