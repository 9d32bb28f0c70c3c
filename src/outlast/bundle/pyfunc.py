"""What `mlflow.pyfunc.load_model` calls: a version from the mirror, predicting without a server or a workspace.

Facts that lookups read are kept elsewhere, so a version with lookups predicts on a frame of its *features*, as the
snapshot of its training holds them. One without lookups predicts on its asks.
"""

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from outlast.bundle.decisions import outcomes
from outlast.bundle.format import Bundle, unpack
from outlast.bundle.predictor import Predictor
from outlast.data.frames import as_polars
from outlast.data.schema import dtype_of
from outlast.errors import NotFound, RequestError, StorageError
from outlast.storage.fresh import FreshValues
from outlast.types import FORMAT, now

if TYPE_CHECKING:
    import pandas as pd

_ANSWERED = ("decision", "score", "rung")


class PyFunc:
    """A loaded version in the shape that MLflow expects."""

    def __init__(self, predictor: Predictor, outcomes: list[str]) -> None:
        self.predictor = predictor
        self._outcomes = outcomes

    def predict(self, frame: Any, params: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """One answer per row: decision, score (or one per class), and the rung that answered."""
        rows = as_polars(frame, self._name)
        asks = [ask.name for ask in self.predictor.asks]
        if not rows.height:
            raise RequestError(f"The frame for {self._name} has no rows: give at least one")
        if not self.predictor.lookups and set(asks) <= set(rows.columns):
            answered = self.predictor.predict_frame(rows, at=now())
            return _pandas(answered.select(c for c in answered.columns if c.startswith(_ANSWERED)))
        missing = [name for name in self.predictor.features if name not in rows.columns]
        if missing:
            raise RequestError(self._why_not(missing, asks))
        return _pandas(self._score(rows))

    @property
    def _name(self) -> str:
        return f"{self.predictor.model}@{self.predictor.version}"

    def _why_not(self, missing: list[str], asks: list[str]) -> str:
        what = f"The frame for {self._name} has no column '{missing[0]}'"
        if not self.predictor.lookups:
            return f"{what}: give the columns {', '.join(asks)}"
        return (
            f"{what}, and facts cannot be looked up outside a workspace: give a frame of its features "
            f"({', '.join(self.predictor.features)}), or call outlast.open('{self._name}').predict(frame)"
        )

    def _score(self, rows: pl.DataFrame) -> pl.DataFrame:
        kinds = {ask.name: dtype_of(ask.dtype) for ask in self.predictor.asks}
        try:
            typed = rows.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items())
        except pl.exceptions.PolarsError as error:
            said = str(error).splitlines()[0]
            raise RequestError(f"The frame for {self._name} has other types than its features: {said}") from None
        scored = self.predictor.score_features(typed)
        asked = typed.to_dicts()
        decided = [self.predictor.decision(one, row) for one, row in zip(scored, asked, strict=True)]
        return pl.DataFrame({"decision": decided, **self._scores(scored), "rung": ["full"] * rows.height})

    def _scores(self, scored: list[list[float]]) -> dict[str, list[float]]:
        if self.predictor.task == "multiclass":
            return {f"score_{name}": [one[place] for one in scored] for place, name in enumerate(self._outcomes)}
        return {"score": [one[-1] for one in scored]}


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PyFunc:
    """The name and the shape that MLflow asks of a loader."""
    bundle, number = _read(Path(path))
    # Nothing is ever in it: a version with lookups is given its features instead.
    folder = Path(tempfile.mkdtemp(prefix="outlast-pyfunc-"))
    store = FreshValues(folder / "fresh.db")
    predictor = Predictor(bundle, number, store)
    loaded = PyFunc(predictor, outcomes(predictor.task, bundle.manifest["classes"]))
    weakref.finalize(loaded, _discard, store, folder)
    return loaded


def _discard(store: FreshValues, folder: Path) -> None:
    store.close()
    shutil.rmtree(folder, ignore_errors=True)


def _read(folder: Path) -> tuple[Bundle, int]:
    try:
        about = msgspec.json.decode((folder / "version.json").read_bytes())
        data = (folder / "bundle.zip").read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"'{folder}' holds no version of a model, {Path(str(error.filename)).name} is missing: "
            "mirror it again with `outlast tick`"
        ) from None
    if about["format"] > FORMAT:
        raise StorageError(
            f"'{folder}' has format {about['format']}, newer than this release reads ({FORMAT}): upgrade outlast"
        )
    bundle = unpack(data, f"{about['model']}@{about['number']}")
    if bundle.digest != about["digest"]:
        raise StorageError(
            f"The bundle in '{folder}' is not the one that {about['model']}@{about['number']} was registered with: "
            "mirror it again with `outlast tick`"
        )
    return bundle, about["number"]


def _pandas(frame: pl.DataFrame) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(frame.to_dict(as_series=False))
