"""Will this flight land more than 30 minutes late? Asked two hours before it is due to leave."""

import math
from typing import Any

import polars as pl

from outlast import Features, Model, Source, latest, window

flights = Source("flights", "data/flights.parquet", key="flight_id", time="decide_at")  # the questions asked
landings = Source("landings", "data/landings.parquet", key="flight_id", time="landed_at", lag="30m")  # and the truth
departures = Source("departures", "data/departures.parquet", key="flight_id", time="departed_at", lag="30m")
weather = Source("weather", "data/weather.parquet", key=["origin", "observed_at"], time="observed_at", lag="30m")

arrived, left = pl.col("arr_delay"), pl.col("dep_delay")

# A day in June whose delays can be told by hand: `outlast features test` computes them in both ways.
landed = [
    {"flight_id": "1", "landed_at": "2013-06-29T20:00", "tailnum": "N1", "dest": "LAX", "arr_delay": 10},
    {"flight_id": "2", "landed_at": "2013-06-30T07:00", "tailnum": "N1", "dest": "ORD", "arr_delay": 30},
    {"flight_id": "3", "landed_at": "2013-06-30T11:00", "tailnum": "N9", "dest": "BOS", "arr_delay": -4},
    {"flight_id": "4", "landed_at": "2013-06-30T11:55", "tailnum": "N9", "dest": "BOS", "arr_delay": 99},  # too late
]
gone = [
    {"flight_id": "5", "departed_at": "2013-06-30T10:00", "origin": "JFK", "carrier": "AA", "dep_delay": 6},
    {"flight_id": "6", "departed_at": "2013-06-30T11:25", "origin": "JFK", "carrier": "B6", "dep_delay": 12},
]
noon = {
    "facts": {"landings": landed, "departures": gone},
    "asks": {"tailnum": "N1", "dest": "BOS", "origin": "JFK", "carrier": "B6"},
    "at": "2013-06-30T12:00Z",
    "gives": {"plane_delay_6h": 30, "plane_delay_1d": 20, "dest_delay_3h": -4, "carrier_delay_3h": 12}
    | {"origin_delay_1h": 12, "origin_delay_3h": 9, "origin_left_1h": 1, "origin_left_3h": 2},
}

history = Features(
    "delays-so-far",
    [
        window(landings, by="tailnum", over=["6h", "1d"], plane_delay=arrived.mean()),
        window(landings, by="dest", over="3h", dest_delay=arrived.mean()),
        window(departures, by="origin", over=["1h", "3h"], origin_delay=left.mean(), origin_left=left.count()),
        window(departures, by="carrier", over="3h", carrier_delay=left.mean()),
    ],
    owner="flight-data@example.com",
    meaning="How late this plane, the airports at both ends and the airline have been running, in minutes.",
    examples=[noon],
)


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    """The minute of the day and the weekday on New York's clock, which a schedule follows when UTC's does not.

    In whole numbers: Polars divides a row alone and a row among others by 60 with another last bit.
    """
    local = pl.col("scheduled_at").dt.convert_time_zone("America/New_York")
    return rows.select(minute=local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute(), weekday=local.dt.weekday())


def fit(x: pl.DataFrame, y: Any, seed: int) -> Any:
    # These take a second to import, and only training needs them.
    from lightgbm import LGBMClassifier
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan)
    words, unused = ["origin", "dest", "carrier"], ["tailnum", "scheduled_at"]
    encode = make_column_transformer((codes, words), ("drop", unused), remainder="passthrough")
    shape = {"n_estimators": 100, "learning_rate": 0.08, "num_leaves": 31, "min_child_samples": 500}
    # One thread: four seconds anywhere, where two that must wait for a busy machine can take a minute.
    same = {"random_state": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}
    return make_pipeline(encode, LGBMClassifier(**shape, **same)).fit(x, y)


model = Model(
    "late-arrivals",
    asks=flights["origin", "dest", "carrier", "tailnum", "distance", "scheduled_at"],  # all that a caller sends
    features=[
        latest(weather, "wind_speed", "wind_dir", "visib", "precip", "dewp", by="origin", max_age="3h"),
        history,
        calendar,
    ],
    label=landings["arr_delay"] > 30,  # by flight_id, once it has landed
    fit=fit,
)
