"""The model behind BentoML and pandas; the folder comes in an environment variable, as `bentoml serve` imports this."""

import os
from pathlib import Path
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Churn:
    def __init__(self) -> None:
        self.model = joblib.load(Path(os.environ["CHURN_FOLDER"], "estimator.joblib"))

    @bentoml.api
    def predict(self, row: dict[str, Any]) -> dict[str, float]:
        return {"score": float(self.model.predict_proba(pd.DataFrame([row]))[0, 1])}

    @bentoml.api
    def many(self, rows: list[dict[str, Any]]) -> dict[str, list[float]]:
        return {"scores": self.model.predict_proba(pd.DataFrame(rows))[:, 1].tolist()}
