"""A model taught by another: regressions of its log-odds, made chances again. Bundles name the class: it stays here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST = 1e-6
"""Chances nearer to none, or to certainty, are taken as this: their log-odds would outweigh all others."""


class Distilled:
    """One regression of the log-odds of yes, or one of each class's logarithm."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)
        self.classes_ = np.arange(max(2, len(self.parts)))

    def predict_proba(self, x: Any) -> Floats:
        """Chances, a column for each class."""
        sums = np.column_stack([part.predict(x) for part in self.parts])
        if sums.shape[1] == 1:
            yes = 1.0 / (1.0 + np.exp(-sums[:, 0]))
            return np.column_stack([1.0 - yes, yes])
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)

    def predict(self, x: Any) -> npt.NDArray[np.int64]:
        """The likeliest class of each row."""
        return np.asarray(self.predict_proba(x).argmax(axis=1), dtype=np.int64)


def lessons(table: Floats) -> Floats:
    """What the parts are fitted to, a column for each: from chances to what `predict_proba` makes chances of again."""
    clipped = np.clip(table, LEAST, 1.0 - LEAST)
    if table.shape[1] == 2:
        return np.log(clipped[:, 1:] / clipped[:, :1])
    logs = np.log(clipped)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), dtype=np.float64)
