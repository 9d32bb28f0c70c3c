"""POST /actions/{model}: what people did with an answer, by prediction id or by the question's key."""

from starlette.requests import Request
from starlette.responses import Response

from outlast.journal.journal import Journal
from outlast.serving.actions import action_of
from outlast.serving.http.telling import kept


async def actions(request: Request) -> Response:
    """Keep actions: {"actions": [{"prediction_id" or "key", "action", "comment"?, "by"?}]}, or one of them alone."""
    return await kept(request, "actions", '{"prediction_id": "…", "action": "followed"}', action_of, Journal.actions)
