"""The model behind FastAPI and pandas, as its documentation shows: a typed row, a function, uvicorn. `FOLDER PORT`"""

import sys
from pathlib import Path

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

folder, port = Path(sys.argv[1]), int(sys.argv[2])
model = joblib.load(folder / "estimator.joblib")
names = (folder / "columns.txt").read_text().split()
Row = create_model("Row", **{name: (str if name.startswith("xw") else float, ...) for name in names})
Rows = create_model("Rows", rows=(list[Row], ...))
app = FastAPI()


@app.get("/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
def predict(row: Row) -> dict[str, float]:
    return {"score": float(model.predict_proba(pd.DataFrame([row.model_dump()]))[0, 1])}


@app.post("/many")
def many(body: Rows) -> dict[str, list[float]]:
    frame = pd.DataFrame([row.model_dump() for row in body.rows])
    return {"scores": model.predict_proba(frame)[:, 1].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, port=port, log_level="error", access_log=False)
