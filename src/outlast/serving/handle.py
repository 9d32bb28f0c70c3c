"""A version in a notebook, without a server: the same Predictor, the same fresh values, the same answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import answers_frame, open_predictor
from outlast.data.frames import as_polars
from outlast.errors import RequestError
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import Explanation, ModelRef, now


class Handle:
    """One loaded version."""

    def __init__(self, workspace: Workspace, ref: ModelRef) -> None:
        version = find(workspace.ledger, ref)
        self.model, self.version, self.digest = version.model, version.number, version.digest
        self._predictor = open_predictor(workspace, version.digest, version.number)

    def predict(self, frame: Any) -> pl.DataFrame:
        """One answer per row of a Polars or pandas frame of asks."""
        rows = as_polars(frame, f"{self.model}@{self.version}")
        return answers_frame(self.answers(rows.to_dicts()), self._predictor.task)

    def answers(self, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """One answer per row of fields, with all that is known of it."""
        return self._predictor.predict(rows, at=now())

    def explained(self, answer: Answer, of: str | None = None) -> Explanation:
        """What each feature added to an answer; Unexplained where that cannot be told exactly."""
        assert self._predictor.explains is not None
        return self._predictor.explains.answer(answer, of)

    def example(self) -> dict[str, Any]:
        """A row from training, as a caller would send it."""
        return self._predictor.example()

    def __repr__(self) -> str:
        return f"<{self.model}@{self.version}, bundle {self.digest[:12]}>"


def open_model(ref: "str | ModelRef", workspace: "Workspace | str | Path | None" = None) -> Handle:
    """A version by its name, such as late-arrivals@live, from the workspace around a folder (this one by default)."""
    if isinstance(ref, str):
        ref = ModelRef.parse(ref)
    elif not isinstance(ref, ModelRef):
        raise RequestError(f"A model is named by text such as 'late-arrivals@live', not by a {type(ref).__name__}")
    place = workspace if isinstance(workspace, Workspace) else Workspace.find(Path(workspace or Path.cwd()))
    return Handle(place, ref)
