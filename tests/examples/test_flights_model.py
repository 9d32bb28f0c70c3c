"""The flights model: what it asks, and that a row alone gets the answer it gets among others."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from outlast.project.contract import read_contract
from outlast.project.loader import Code, load_model, load_module, read_code

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def code() -> Code:
    return read_code(FOLDER)


@pytest.fixture(scope="module")
def encode(code: Code) -> Any:
    return load_module(code, "encode").Encode


def rows(count: int) -> pl.DataFrame:
    chance = random.Random(7)
    return pl.DataFrame(
        {
            "origin": [chance.choice(["EWR", "JFK", "LGA", None]) for _ in range(count)],
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


def test_the_calendar_follows_new_yorks_clock_through_the_summer(code: Code) -> None:
    (calendar,) = load_model(code).functions
    winter, summer = datetime(2013, 1, 7, 13, 30, tzinfo=UTC), datetime(2013, 7, 1, 12, 30, tzinfo=UTC)
    found = calendar(pl.DataFrame({"scheduled_at": [winter, summer]}))
    assert found.to_dict(as_series=False) == {"minute": [510, 510], "weekday": [1, 1]}


def test_missing_and_unseen_values_become_nan(encode: Any) -> None:
    train = pl.DataFrame({"origin": ["LGA", "EWR", None], "delay": [1.5, None, 3.0]})
    asked = pl.DataFrame({"delay": [None, 2.0, 4.0], "origin": ["EWR", "XXX", "LGA"]})
    nan = float("nan")
    np.testing.assert_array_equal(encode().fit(train).transform(asked), [[0.0, nan], [nan, 2.0], [1.0, 4.0]])


def test_moments_and_named_columns_are_left_out(encode: Any) -> None:
    assert encode(without=["tailnum"]).fit(rows(50)).columns_ == ["origin", "distance", "plane_delay_6h", "rain"]


def test_a_row_is_encoded_alone_as_among_others(encode: Any) -> None:
    frame = rows(200)
    fitted = encode(without=["tailnum"]).fit(frame)
    together = fitted.transform(frame)
    alone = np.vstack([fitted.transform(frame[i : i + 1]) for i in range(frame.height)])
    np.testing.assert_array_equal(together, alone)
    assert together.dtype == np.float64


def test_pandas_rows_are_encoded_like_polars_rows(encode: Any) -> None:
    frame = rows(60).drop("scheduled_at")
    fitted = encode(without=["tailnum"]).fit(frame)
    np.testing.assert_array_equal(fitted.transform(frame.to_pandas()), fitted.transform(frame))


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
