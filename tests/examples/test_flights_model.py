"""The flights model: what it asks, and that a row alone gets the answer it gets among others."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.bundle.compiled import Compiled
from outlast.project.contract import read_contract
from outlast.project.loader import Code, load_model, read_code
from outlast.project.workspace import Workspace
from outlast.training.compiling.compiling import Fitted, planned
from outlast.training.sets.trial import try_sets

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def code() -> Code:
    return read_code(FOLDER)


def rows(count: int) -> pl.DataFrame:
    chance = random.Random(7)
    return pl.DataFrame(
        {
            "origin": [chance.choice(["EWR", "JFK", "LGA"]) for _ in range(count)],
            "dest": [chance.choice(["BOS", "SFO", "MIA", "ORD"]) for _ in range(count)],
            "carrier": [chance.choice(["UA", "DL"]) for _ in range(count)],
            "tailnum": [f"N{i}" for i in range(count)],
            "scheduled_at": [datetime(2013, 7, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(count)],
            "distance": [chance.randrange(100, 3000) for _ in range(count)],
            "plane_delay_6h": [chance.choice([None, chance.gauss(10, 20)]) for _ in range(count)],
            "rain": [chance.choice([True, False, None]) for _ in range(count)],
        }
    )


def test_the_contract_lets_the_model_go_live() -> None:
    contract = read_contract(FOLDER)
    assert contract.model.task == "binary"
    assert (FOLDER / (contract.model.runbook or "")).is_file()
    assert contract.value.payoff == {"rebook": {"yes": 720, "no": -300}, "wait": {"yes": 0, "no": 0}}


def test_the_model_asks_only_what_is_known_two_hours_before(code: Code) -> None:
    model = load_model(code)
    assert model.asks.names == ("origin", "dest", "carrier", "tailnum", "distance", "scheduled_at")
    assert model.question.time == "decide_at"
    assert len(model.lookups) == 5


def test_the_examples_of_its_set_hold_without_any_data(tmp_path: Path) -> None:
    for name in ("model.py", "outlast.toml"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tried,), _ = try_sets(Workspace.find(tmp_path), tmp_path, "delays-so-far")
    assert [one.differences for one in tried.examples] == [[]]
    assert tried.passed


def test_the_calendar_follows_new_yorks_clock_through_the_summer(code: Code) -> None:
    (calendar,) = load_model(code).functions
    winter, summer = datetime(2013, 1, 7, 13, 30, tzinfo=UTC), datetime(2013, 7, 1, 12, 30, tzinfo=UTC)
    found = calendar(pl.DataFrame({"scheduled_at": [winter, summer]}))
    assert found.to_dict(as_series=False) == {"minute": [510, 510], "weekday": [1, 1]}


def test_what_is_missing_or_never_seen_is_answered_too(code: Code) -> None:
    frame = rows(3000)
    fitted = load_model(code).fit(frame, (frame["distance"] > 1500).cast(pl.Int64).to_numpy(), 3)
    strange = frame.head(2).with_columns(dest=pl.Series(["XXX", None]), plane_delay_6h=None, carrier=pl.lit("??"))
    assert ((fitted.predict_proba(strange) > 0) & (fitted.predict_proba(strange) < 1)).all()


def test_the_fitted_model_has_a_compiled_form_equal_to_the_last_bit(code: Code) -> None:
    frame = rows(3000)
    fitted = load_model(code).fit(frame, (frame["distance"] > 1500).cast(pl.Int64).to_numpy(), 3)
    plan, trees = planned(Fitted(fitted, fitted.predict_proba, "binary", 2), frame.columns)
    assert Compiled(plan, trees, frame.columns).table(frame).tolist() == fitted.predict_proba(frame).tolist()


def test_the_fitted_model_answers_a_row_alone_as_among_others(code: Code) -> None:
    frame = rows(3000)
    y = (frame["distance"] > 1500).cast(pl.Int64).to_numpy()
    model = load_model(code)
    fitted, again = model.fit(frame, y, 3), model.fit(frame, y, 3)
    chances = fitted.predict_proba(frame)
    np.testing.assert_array_equal(chances, again.predict_proba(frame))
    np.testing.assert_array_equal(chances[:50], np.vstack([fitted.predict_proba(frame[i : i + 1]) for i in range(50)]))
    assert (fitted.predict(frame) == y).mean() > 0.95
    assert chances.sum(axis=1) == pytest.approx(1.0)
