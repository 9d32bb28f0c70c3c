"""The limit: the same compiled model and msgspec behind uvicorn or Granian, and nothing else.

`_bare.py FOLDER PORT uvicorn|granian`
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from threadpoolctl import threadpool_limits

from outlast.bundle.compiled import Compiled
from outlast.bundle.plan import PLAN, TREES, read_plan
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef


def application(folder: Path) -> Any:
    """An ASGI application that answers features with a score."""
    workspace = Workspace.find(folder)
    bundle = open_bundle(workspace, find(workspace.ledger, ModelRef("churn", 1)).digest)
    plan = read_plan(bundle.files[PLAN])
    names = list(dict.fromkeys(column.name for column in plan.columns))
    compiled = Compiled(plan, bundle.files.get(TREES), names)
    words = {name for name in names if name.startswith("xw")}
    row = msgspec.defstruct("Row", [(name, str if name in words else float) for name in names])
    decode, encode = msgspec.json.Decoder(row).decode, msgspec.json.Encoder().encode
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        if scope["path"] == "/livez":
            await send({**head, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        scores = compiled.row(msgspec.structs.astuple(decode(body)))
        answer = encode({"score": scores[1]})
        await send({**head, "headers": [*head["headers"], (b"content-length", str(len(answer)).encode())]})
        await send({"type": "http.response.body", "body": answer})

    return app


def for_granian() -> Any:
    """The same in a process that Granian begins."""
    threadpool_limits(1)
    return application(Path(os.environ["BARE_FOLDER"]))


if __name__ == "__main__":
    folder, port, behind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if behind == "granian":
        from granian import Granian

        os.environ["BARE_FOLDER"] = str(folder)
        Granian(
            "_bare:for_granian", "127.0.0.1", port, interface="asginl", loop="uvloop", factory=True, log_enabled=False
        ).serve()
    else:
        import uvicorn

        threadpool_limits(1)
        uvicorn.run(application(folder), port=port, log_level="error", access_log=False, lifespan="off")
