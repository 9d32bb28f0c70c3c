"""POST /facts/{source}: rows of a source, for the journal and for the lookups of served versions."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.errors import RequestError
from outlast.serving.answering import MOST
from outlast.serving.http.access import caller_of
from outlast.serving.http.body import json_of
from outlast.serving.http.carried import json_answer, parts_of, request_id
from outlast.types import now


async def facts(request: Request) -> Response:
    """Take facts: {"rows": [...]} or one flat row; one with "retracted": true withdraws the fact with its key.

    Sending the same again changes nothing.
    """
    parts, name = parts_of(request), request_id(request)
    source = request.path_params["source"]
    caller_of(request).require(None, f"source '{source[:80]}', whose facts belong to every model,")
    rows = _rows(await json_of(request))
    taken = await parts.aside(lambda: parts.ingest.take(source, rows, at=now()))
    parts.metrics.kept("facts", taken.rows)
    said = {"source": source, "accepted": taken.rows, "retracted": taken.retracted, "lookups": taken.lookups}
    return json_answer(msgspec.json.encode(said), name)


def _rows(body: Any) -> list[Any]:
    if not isinstance(body, dict):
        raise RequestError('The body is not an object: send one row, or {"rows": [...]}')
    if not isinstance(body.get("rows"), list):
        return [body]
    rows: list[Any] = body["rows"]
    if not rows or len(rows) > MOST or len(body) > 1:
        raise RequestError(f"'rows' must stand alone and hold 1 to {MOST} rows, not {len(rows)}: send it in parts")
    return rows
