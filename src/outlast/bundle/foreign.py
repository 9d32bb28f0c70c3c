"""A model trained elsewhere, asked as ours are. Bundles of adopted models name these classes: they stay here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from outlast.data.frames import as_polars


class Foreign:
    """It is given the columns it knows, in its order: as a pandas frame, or as plain numbers where it names none."""

    def __init__(self, estimator: Any, names: Sequence[str], words: Sequence[str] | None, *, plain: bool) -> None:
        self.estimator, self.names, self.plain = estimator, list(names), plain
        self.words = None if words is None else list(words)
        """Its classes in the order of our codes, where it answers in words."""
        known = getattr(estimator, "classes_", None)
        if known is not None:
            self.classes_ = np.array([self._code(one) for one in known])

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """What it answers, classes as our codes."""
        found = np.asarray(self.estimator.predict(self._given(x)))
        return found if self.words is None else np.array([self._code(one) for one in found])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its own parameters, where it says them."""
        ask = getattr(self.estimator, "get_params", None)
        return {} if ask is None else dict(ask(deep))

    def _given(self, x: Any) -> Any:
        rows = as_polars(x, "an adopted model").select(self.names)
        return rows.to_numpy().astype(np.float64) if self.plain else rows.to_pandas()

    def _code(self, word: Any) -> int:
        return int(word) if self.words is None else self.words.index(str(word))


class ForeignChances(Foreign):
    """One that gives chances as well."""

    def predict_proba(self, x: Any) -> npt.NDArray[Any]:
        """Chances, a column for each of its classes."""
        return np.asarray(self.estimator.predict_proba(self._given(x)))
