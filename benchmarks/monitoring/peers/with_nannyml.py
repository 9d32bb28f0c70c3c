"""NannyML's univariate drift with its default methods, chunk by chunk: alerts on columns, and what it costs."""

import json
import resource
import sys
import time
from pathlib import Path

import nannyml as nml
import pandas as pd

asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
reference, windows = pd.read_parquet(asked["reference"]), pd.read_parquet(asked["windows"])
size = int(windows.groupby("window").size().iloc[0])
windows = windows.drop(columns="window")
columns = list(reference.columns)
words = [name for name in columns if reference[name].dtype.kind != "f"]
begun = time.process_time()
calculator = nml.UnivariateDriftCalculator(column_names=columns, treat_as_categorical=words, chunk_size=size)
calculator.fit(reference)
fitted = time.process_time() - begun
found = calculator.calculate(windows).filter(period="analysis").to_df()
seconds = time.process_time() - begun - fitted
alerts = found.loc[:, [name for name in found.columns if name[-1] == "alert"]]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
said = {"flags": alerts.sum(axis=1).astype(int).tolist(), "fit": fitted, "seconds": seconds, "megabytes": peak}
Path(sys.argv[2]).write_text(json.dumps(said), "utf-8")
