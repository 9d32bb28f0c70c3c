"""Boosted trees behind their encoder, quick enough to answer one question at a time."""

from typing import Any

import numpy as np
from encode import Encode
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin


class Trees(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier over frames: an Encode, then LightGBM.

    `make_pipeline(Encode(), LGBMClassifier())` answers the same, but takes most of a millisecond for one row: nearly
    all of it is checking. Asking the booster itself takes a tenth of that.
    """

    def __init__(self, encode: Encode, trees: LGBMClassifier) -> None:
        self.encode = encode
        self.trees = trees

    def fit(self, x: Any, y: Any) -> "Trees":
        self.trees.fit(self.encode.fit(x).transform(x), y)
        self.classes_ = self.trees.classes_
        return self

    def predict_proba(self, x: Any) -> np.ndarray:
        """The chances of no and of yes, row by row."""
        yes = self.trees.booster_.predict(self.encode.transform(x))
        return np.column_stack([1.0 - yes, yes])

    def predict(self, x: Any) -> np.ndarray:
        """The likelier class of each row."""
        return self.classes_[(self.predict_proba(x)[:, 1] > 0.5).astype(int)]
