"""The training set as a frame, for a notebook or a file: what `train` would learn from at a moment."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.errors import NotFound, RequestError, StorageError
from outlast.features.facts import SEPARATOR
from outlast.journal.sources import Sources, project_of
from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace, project_folder
from outlast.registry.declarations import folder_of
from outlast.registry.versions import find
from outlast.training.dataset import AT, KEY, LABEL, LABEL_AT, build_dataset
from outlast.types import ModelRef, now, utc

NAMES = {KEY: "key", AT: "asked_at", LABEL: "label", LABEL_AT: "label_known_at"}
"""What the columns are called that are neither asked nor features."""


@dataclass(frozen=True, eq=False)
class Framed:
    """A training set and what is told about it."""

    model: str
    as_of: datetime
    rows: pl.DataFrame
    counts: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """It without its rows."""
        return {
            "model": self.model,
            "as_of": self.as_of.isoformat(),
            "rows": self.rows.height,
            "columns": self.rows.columns,
            "counts": self.counts,
        }


def dataset(model: str | None = None, as_of: datetime | str | None = None) -> pl.DataFrame:
    """The training set of a model as it was known at a moment, one row per labelled question in order of time.

    `key`, `asked_at`, the asks and features, `label` and `label_known_at`. The model is this folder's, or one of the
    workspace by its name; with a version, such as late-arrivals@3, its code is that version's. `as_of` is now by
    default; moments without a zone are UTC.
    """
    here = Path.cwd()
    place = Workspace.find(here)
    ref = ModelRef(load_project(here, place).model.name) if model is None else ModelRef.parse(model)
    return frame_of(meant(place, ref, here), as_of=as_of or now()).rows


def meant(workspace: Workspace, ref: ModelRef, here: Path) -> Project:
    """The project of a model as it is now, in this folder or the workspace; that of a version where one is named."""
    if ref.version is None:
        folder = folder_of(workspace, ref.name) or project_folder(here)
        project = None if folder is None else load_project(folder, workspace)
        if project is not None and project.model.name == ref.name:
            return project
    return project_of(workspace, open_bundle(workspace, find(workspace.ledger, ref).digest))


def frame_of(project: Project, *, as_of: datetime | str) -> Framed:
    """The training set of a project; labels are those known before `as_of`, features those of each question."""
    moment = moment_of(as_of)
    found = build_dataset(project, Sources(project), moment)
    timed = [name for name in (AT, LABEL_AT) if project.model.question.time is not None]
    rows = found.rows.with_columns(pl.col(name).cast(pl.Datetime("us", "UTC")) for name in timed)
    rows = rows.with_columns(pl.col(KEY).str.replace_all(SEPARATOR, ",", literal=True))  # as --key takes it
    hidden = {name: NAMES[name] for name in (KEY, AT, LABEL, LABEL_AT) if name in (KEY, LABEL, *timed)}
    taken = [name for name in hidden.values() if name in rows.columns]
    names = {name: f"{word}_" if word in taken else word for name, word in hidden.items()}
    front, back = [KEY, *timed[:1]], [LABEL, *timed[1:]]
    return Framed(project.model.name, moment, rows.select(*front, *found.features, *back).rename(names), found.counts)


def moment_of(given: datetime | str) -> datetime:
    """A moment as people write it, in UTC."""
    if isinstance(given, datetime):
        return utc(given)
    try:
        return utc(datetime.fromisoformat(given))
    except ValueError:
        raise RequestError(f"'{given}' is no moment: write it as 2013-07-01 or 2013-07-01T12:00:00Z") from None


def write(rows: pl.DataFrame, out: Path) -> None:
    """Put a frame into a .parquet or .csv file, whole or not at all."""
    if out.suffix not in (".parquet", ".csv"):
        raise RequestError(f"'{out}' has no ending that says how to write it: call it {out.stem}.parquet or .csv")
    if not out.parent.is_dir():
        raise NotFound(f"There is no folder {out.parent} to write {out.name} into: make it first")
    part = out.with_name(f".{out.name}.part")
    try:
        rows.write_parquet(part) if out.suffix == ".parquet" else rows.write_csv(part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{out} cannot be written: {error}; look at the disk and its permissions") from error
