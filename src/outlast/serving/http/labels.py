"""POST /labels/{model}: what turned out, by prediction id or by the question's key."""

from starlette.requests import Request
from starlette.responses import Response

from outlast.journal.journal import Journal
from outlast.serving.http.telling import kept
from outlast.serving.labels import record_of


async def labels(request: Request) -> Response:
    """Keep labels: {"labels": [{"prediction_id" or "key", "value", "known_at"?}]}, or one of them alone."""
    return await kept(request, "labels", '{"prediction_id": "…", "value": …}', record_of, Journal.labels)
