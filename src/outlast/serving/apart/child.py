"""The process of one version, in the environment it was made in: rows come over a socket, answers go back.

It may be of another release than the server that asks it, so what is said between the two may only grow.
"""

import io
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from outlast.bundle.predictor import Predictor, open_predictor
from outlast.errors import OutlastError, RequestError
from outlast.project.workspace import Workspace
from outlast.settings import Settings
from outlast.types import moment


def main(fd: int) -> None:
    """Open the version of the first message, and answer every other one until there is nobody who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    os.dup2(2, 1)
    line = Connection(fd)
    try:
        job = msgspec.json.decode(line.recv_bytes())
        workspace = Workspace.find(Path(job["root"]), msgspec.convert(job["settings"], Settings))
        predictor = open_predictor(workspace, job["digest"], job["version"])
        line.send_bytes(_written({"ready": True}))
        while True:
            line.send_bytes(_written(_answered(predictor, pickle.loads(line.recv_bytes()))))
    except (EOFError, ConnectionError):
        return


def _answered(predictor: Predictor, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answers = predictor.predict(asked["rows"], at=moment(asked["now"]))
    except OutlastError as error:
        return {"error": str(error), "details": error.details, "asked": isinstance(error, RequestError)}
    except Exception as error:  # noqa: BLE001 - the version's code runs here, and may raise anything
        return {"error": f"it raised {type(error).__name__}", "details": {}, "asked": False}
    return {"answers": [msgspec.structs.asdict(one) for one in answers]}


class _Writer(pickle.Pickler):
    """Plain values; a time zone by its name, not by a way to make it."""

    def reducer_override(self, value: Any) -> Any:
        return (ZoneInfo, (value.key,)) if isinstance(value, ZoneInfo) else NotImplemented


def _written(said: Mapping[str, Any]) -> bytes:
    into = io.BytesIO()
    _Writer(into, protocol=4).dump(said)
    return into.getvalue()


if __name__ == "__main__":
    main(int(sys.argv[1]))
