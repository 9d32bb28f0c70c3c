"""What this model promises about itself. Run with: python -m pytest"""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outlast.project.loader import load_project
from outlast.training.trying import training_rows, tried_sets

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def rows():
    """Every labelled order with its features, as a training run sees them."""
    return training_rows(HERE)


def test_the_contract_names_an_owner_and_a_runbook_that_is_there():
    contract = load_project(HERE).contract
    assert contract.model.owner
    assert (HERE / contract.model.runbook).read_text()


def test_the_weekday_of_a_known_day():
    calendar = load_project(HERE).model.functions[0]
    assert calendar(pl.DataFrame({"placed_at": [datetime(2025, 5, 30, 10)]}))["weekday"].to_list() == [5]


def test_the_examples_of_every_set_hold_in_training_and_serving():
    tried = tried_sets(HERE)
    assert [one.name for one in tried] == ["carrier-lateness"]
    assert [one for one in tried if not one.passed] == []


def test_the_features_of_a_known_order(rows):
    order = rows.row(by_predicate=pl.col("key") == "O-2000", named=True)
    assert (order["warehouse"], order["carrier"], order["weekday"]) == ("north", "Parcelo", 4)
    assert order["open_orders"] == 36
    assert order["carrier_days_late_1d"] == pytest.approx(-1.5)


def test_an_order_sees_only_deliveries_known_before_it(rows):
    deliveries = pl.read_csv(HERE / "data" / "deliveries.csv", try_parse_dates=True)
    for order in rows.sample(20, seed=1).iter_rows(named=True):
        known = pl.col("delivered_at") + timedelta(hours=1)  # the lag in model.py
        before = (known < order["placed_at"]) & (known >= order["placed_at"] - timedelta(days=4))
        seen = deliveries.filter(before, pl.col("carrier") == order["carrier"])
        assert order["carrier_days_late_4d"] == (pytest.approx(seen["days_late"].mean()) if len(seen) else None)


def test_orders_of_both_kinds_are_there_to_learn_from(rows):
    assert 0.1 < rows["label"].mean() < 0.5
