"""The model behind LitServe and pandas. `FOLDER PORT`"""

import sys
from pathlib import Path
from typing import Any

import joblib
import litserve
import pandas as pd

folder, port = Path(sys.argv[1]), int(sys.argv[2])


class Churn(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = joblib.load(folder / "estimator.joblib")

    def decode_request(self, request: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(request.get("rows") or [request])

    def predict(self, x: pd.DataFrame) -> list[float]:
        return self.model.predict_proba(x)[:, 1].tolist()

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        return {"score": output[0], "scores": output}


if __name__ == "__main__":
    server = litserve.LitServer(Churn(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)
