"""The other process: reads a job from a folder, fits as training did, and writes down what came out.

It runs in the environment that the version was made in, so what a job looks like may only grow.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from outlast.errors import OutlastError, TrainingError
from outlast.features.calling import with_functions
from outlast.project.declare import Model
from outlast.project.loader import PREFIX, Code, load_model
from outlast.storage.columns import fit as as_stored
from outlast.training.fitting import evaluated, fit, pickled
from outlast.training.lineage import digest_of_answers
from outlast.training.snapshot import TEST, TRAIN, TRUTH, given_names
from outlast.types import digest_of

JOB, ROWS, CODE, RESULT, ANSWERS = "job.json", "rows.parquet", "code", "result.json", "answers.npy"


def main(folder: Path) -> None:
    """Do the job of a folder; a failure that has a sentence is a result as well."""
    job = json.loads((folder / JOB).read_text("utf-8"))
    _shut_in(folder, job["closed"])
    try:
        result = _fitted(job, folder)
    except OutlastError as error:
        result = {"error": str(error)}
    (folder / RESULT).write_text(json.dumps({"format": 1, **result}), "utf-8")


def _fitted(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    files = {path.relative_to(folder / CODE).as_posix(): path.read_bytes() for path in _files(folder / CODE)}
    code = Code(files, Path(CODE))
    model = load_model(code)
    rows = pl.read_parquet(folder / ROWS)
    whole = with_functions(model.functions, _given(model, rows))
    moved = _moved(whole, rows)
    train, truth = rows[TRAIN], rows[TRUTH].to_numpy()
    given = {name: job[name] for name in ("seed", "threads", "parameters")}
    estimator = fit(model, whole.filter(train), truth[train.to_numpy()], **given)
    table = evaluated(model, estimator, whole.filter(rows[TEST]), job["task"], job["classes"])
    np.save(folder / ANSWERS, np.ascontiguousarray(table, dtype=np.float64))
    done = {"model": digest_of_model(pickled(model, estimator), code), "answers": digest_of_answers(table)}
    return {**done, "features": len(whole.columns), "moved": moved}


def digest_of_model(pickled: bytes, code: Code) -> str:
    """What tells one fitted model from another, whatever the package of its code is called: that name is a digest."""
    return digest_of(pickled.replace(code.package.encode(), PREFIX.encode() + b"0" * (len(code.package) - len(PREFIX))))


def _given(model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    names = given_names(model)
    lacking = [name for name in names if name not in rows.columns]
    if lacking:
        raise TrainingError(
            f"This code of model '{model.name}' reads '{lacking[0]}', which the kept training set does not hold: "
            "what it asks or looks up has changed, so only the sources can tell"
        )
    return rows.select(names)


def _moved(whole: pl.DataFrame, rows: pl.DataFrame) -> dict[str, int]:
    """How many rows each feature has another value in than the kept one; a column that is new or gone counts whole."""
    now = as_stored("features", whole, {}, untyped=False)
    moved = {name: rows.height for name in now.columns if name not in rows.columns}
    gone = [name for name in rows.columns if not name.startswith("__") and name not in now.columns]
    moved |= dict.fromkeys(gone, rows.height)
    for name in now.columns:
        if name in rows.columns:
            kept = rows[name].cast(now[name].dtype, strict=False)
            moved[name] = int(now[name].ne_missing(kept).sum())
    return {name: count for name, count in moved.items() if count}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _shut_in(folder: Path, closed: list[str]) -> None:
    """Refuse the network and the project's folder from here on: what is read there is not kept with the version."""
    ours = [str(folder), sys.prefix, sys.base_prefix, *sys.path]
    opened = tuple(f"{Path(place).resolve()}{os.sep}" for place in ours if place)
    shut = tuple(f"{place}{os.sep}" for place in closed)

    def watch(event: str, given: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(given[1], tuple) and not _is_here(str(given[1][0])):
            raise PermissionError(f"the network, {given[1][0]}: what comes from there is not kept with the version")
        if event == "open" and isinstance(given[0], str | bytes):
            place = os.path.abspath(os.fsdecode(given[0]))
            if place.startswith(shut) and not place.startswith(opened):
                name = os.path.basename(place)
                raise PermissionError(f"{name}: a file of the project that is not kept with the version")

    sys.addaudithook(watch)


def _is_here(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
