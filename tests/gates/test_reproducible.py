"""The gate's last question of a model that was trained elsewhere: only its contract can take what nobody can know."""

from datetime import UTC, datetime
from pathlib import Path

import joblib

from outlast.gates.case import Case
from outlast.gates.reproducible import made_again
from outlast.project.loader import load_project
from outlast.training.adopt import adopt
from outlast.training.trying import training_rows

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def test_an_adopted_model_passes_only_where_the_contract_accepts_what_is_not_known(orders: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = training_rows(orders)
    model = HistGradientBoostingClassifier(max_iter=2).fit(rows.select("weight", "hour").to_pandas(), rows["label"])
    joblib.dump(model, orders / "late.joblib")
    project = load_project(orders)
    version = adopt(project, str(orders / "late.joblib"), trust=True, by="ada", now=NOW).version
    refused = made_again(Case(project.workspace, orders, project.contract, version, None))
    assert refused.passed is False
    assert "adopted from late.joblib, so it cannot be made again; not known: training data, code" in refused.says
    assert "`adopted = true` under [gate]" in refused.says
    gate = project.contract.gate.model_copy(update={"adopted": True})
    contract = project.contract.model_copy(update={"gate": gate})
    taken = made_again(Case(project.workspace, orders, contract, version, None))
    assert taken.passed is True
    assert taken.evidence["adopted"]["digest"] == version.lineage["adopted"]["digest"]
