"""What machines and people ask of a server itself: is it there, is it ready, what does it serve."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from outlast.bundle.predictor import Predictor
from outlast.serving import metrics
from outlast.serving.http.access import caller_of
from outlast.serving.http.carried import parts_of
from outlast.serving.http.errors import PATHS
from outlast.serving.http.openapi import document
from outlast.serving.levels import Seen
from outlast.serving.parts import Parts


async def ping(request: Request) -> Response:
    """The process answers."""
    return _plain({"status": "ok"})


async def version_of_mlflow(request: Request) -> Response:
    """The release of MLflow whose scoring protocol is spoken here, as its own server tells it."""
    return Response(_mlflow(), media_type="text/plain")


@cache
def _mlflow() -> str:
    return version("mlflow")


async def livez(request: Request) -> Response:
    """The process answers and still watches the ledger; restart it when it does not."""
    watching = parts_of(request).watching
    return _plain({"status": "ok" if watching else "no longer watching the ledger"}, 200 if watching else 503)


async def readyz(request: Request) -> Response:
    """Whether there is anything to serve, and what stands in the way of the rest."""
    parts = parts_of(request)
    house = parts.house
    served = {model: one.version for model, one in house.predictors().items()}
    ready, status = parts.ready, _status(parts)
    if not caller_of(request).known:
        return _plain({"status": status}, 200 if ready else 503)
    body = {
        "status": status,
        "models": served,
        "refused": list(house.refused.values()),
        "ledger": house.down or "ok",
        "fresh": house.unread or "ok",
    }
    if parts.journal.unwritten.says:
        body["journal"] = dict(parts.journal.unwritten.says)
    if house.proving:
        body["proving"] = house.proving
    apart = [model for model, one in house.predictors().items() if one.apart]
    if apart:
        body["apart"] = apart
    beside = {model: str(one) for model, one in house.challengers().items()}
    if parts.station.shared:
        body["workers"] = {"ready": parts.station.others_ready + parts.ready_here, "of": parts.station.of}
    if beside or house.turned_away:
        body |= {"beside": beside, "turned_away": list(house.turned_away.values())}
    return _plain(body, 200 if ready else 503)


def _status(parts: Parts) -> str:
    """What stands in the way of being ready, in a word."""
    if parts.station.leaving:
        return "told to stop"
    if parts.journal.unwritten.refusing:
        return "answers cannot be written down"
    if not parts.ready_here:
        proving = "a live version is being proven" if parts.house.proving else "nothing is live"
        return "a live version could not be loaded" if parts.house.refused else proving
    return "ready" if parts.ready else "not every worker is ready"


async def index(request: Request) -> Response:
    """What is here."""
    house = parts_of(request).house
    models = {
        model: {"version": one.version, "task": one.task, "predict": f"/predict/{model}", "example": one.example()}
        for model, one in _seen(request).items()
    }
    return _plain({"outlast": "serving", "server": house.server, "models": models, "paths": list(PATHS)})


async def prometheus(request: Request) -> Response:
    """Counters and times."""
    parts = parts_of(request)
    caller_of(request).require(None, "/metrics, which is about every model,")
    load = parts.station.with_others(parts.load)
    seen = await parts.aside(lambda: Seen.at(parts.house, load))  # reads ledger and fresh values
    return Response(parts.metrics.text(parts.house, seen), headers={"content-type": metrics.TYPE})


async def openapi(request: Request) -> Response:
    """What this server takes and gives, with each model's own fields and an example of its own."""
    return _plain(document(list(_seen(request).values()), request.app.state.extra))


def _seen(request: Request) -> dict[str, Predictor]:
    """What is served, of the models that the caller may know of."""
    caller = caller_of(request)
    return {model: one for model, one in parts_of(request).house.predictors().items() if caller.sees(model)}


def _plain(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
