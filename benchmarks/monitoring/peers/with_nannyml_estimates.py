"""CBPE on NannyML's own data sets, as its guide shows, and the data themselves for whoever is held against it."""

import json
import sys
from pathlib import Path

import nannyml
import pandas as pd

SETS = {
    "car loan": ("load_synthetic_car_loan_dataset", "repaid", "id"),
    "commute": ("load_synthetic_binary_classification_dataset", "work_home_actual", "id"),
    "housing": ("load_modified_california_housing_dataset", "clf_target", "id"),
    "employment": ("load_us_census_ma_employment_data", "employed", "id"),
    "card": ("load_synthetic_multiclass_classification_dataset", "y_true", None),
}
CLASSES = {
    "prepaid_card": "y_pred_proba_prepaid_card",
    "highstreet_card": "y_pred_proba_highstreet_card",
    "upmarket_card": "y_pred_proba_upmarket_card",
}


def loaded(name):
    load, target, key = SETS[name]
    reference, analysis, truth = getattr(nannyml, load)()
    if key and key in truth.columns:
        analysis = analysis.merge(truth, on=key, how="left")
    else:
        analysis = pd.concat([analysis.reset_index(drop=True), truth[[target]].reset_index(drop=True)], axis=1)
    renamed = {"predicted_probability": "y_pred_proba", "prediction": "y_pred"}
    return reference.rename(columns=renamed), analysis.rename(columns=renamed), target


def estimated(name, rows, folder):
    reference, analysis, target = loaded(name)
    reference.to_parquet(folder / f"{name}-reference.parquet")
    analysis.to_parquet(folder / f"{name}-analysis.parquet")
    several = name == "card"
    metrics = ["accuracy"] if several else ["accuracy", "roc_auc"]
    cbpe = nannyml.CBPE(
        y_pred_proba=CLASSES if several else "y_pred_proba",
        y_pred="y_pred",
        y_true=target,
        metrics=metrics,
        chunk_size=rows,
        problem_type="classification_multiclass" if several else "classification_binary",
    )
    cbpe.fit(reference)
    found = cbpe.estimate(analysis.drop(columns=[target])).filter(period="analysis").to_df()
    return {metric: found[(metric, "value")].tolist() for metric in metrics} | {
        "ends": found[("chunk", "end_index")].astype(int).tolist(),
        "target": target,
        "width": {m: (3 * found[(m, "sampling_error")]).tolist() for m in metrics},
    }


asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
folder = Path(asked["folder"])
told = {name: estimated(name, asked["rows"], folder) for name in asked["sets"]}
Path(sys.argv[2]).write_text(json.dumps(told), "utf-8")
