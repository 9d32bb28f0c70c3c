"""Evidently's preset for drift, window by window, as its documentation shows: flags of columns, and what it costs."""

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def flagged(snapshot):
    """Columns whose drift score is on the wrong side of its threshold, and columns with a score."""
    for metric in snapshot.dict()["metrics"]:
        if "DriftedColumnsCount" in metric["metric_name"]:
            return int(metric["value"]["count"])
    raise SystemExit("Evidently's report has no DriftedColumnsCount")


asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
reference, windows = pd.read_parquet(asked["reference"]), pd.read_parquet(asked["windows"])
numbers = [name for name in reference.columns if reference[name].dtype.kind == "f"]
definition = DataDefinition(
    numerical_columns=numbers, categorical_columns=[name for name in reference.columns if name not in numbers]
)
begun, flags = time.process_time(), []
known = Dataset.from_pandas(reference, data_definition=definition)
for _, window in windows.groupby("window"):
    new = Dataset.from_pandas(window.drop(columns="window").reset_index(drop=True), data_definition=definition)
    flags.append(flagged(Report([DataDriftPreset()]).run(new, known)))
seconds = time.process_time() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
Path(sys.argv[2]).write_text(json.dumps({"flags": flags, "seconds": seconds, "megabytes": peak}), "utf-8")
