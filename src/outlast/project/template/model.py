"""Will this order arrive later than promised? Asked when it is placed, while it can still go by express."""

import polars as pl

from examples import on_the_first_of_may
from outlast import Features, Model, Source, latest, window

# Where the data is, what names one row, and when a row became known. A decision sees only what was known before it.
orders = Source("orders", "data/orders.csv", key="order_id", time="placed_at")  # the questions
backlog = Source("backlog", "data/backlog.csv", key=["warehouse", "counted_at"], time="counted_at", lag="10m")
deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="1h")  # the truth

lateness = Features(
    "carrier-lateness",
    [window(deliveries, by="carrier", over=["1d", "4d"], carrier_days_late=pl.col("days_late").mean())],
    owner="shipping@example.com",
    meaning="By how many days this carrier has been late, on average; less than 0 is early.",
    examples=[on_the_first_of_may],
)


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    """New columns from the columns of a row: here the day of the week, 1 is Monday."""
    return rows.select(weekday=pl.col("placed_at").dt.weekday())


def fit(x, y, seed):
    """Any model with fit and predict; `x` has the asks and the features, `y` is 1 for late."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    names = OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["warehouse", "carrier"]
    encode = make_column_transformer(names, ("drop", ["placed_at"]), remainder="passthrough")
    trees = HistGradientBoostingClassifier(learning_rate=0.05, max_iter=80, max_leaf_nodes=6, random_state=seed)
    return make_pipeline(encode, trees).fit(x, y)


model = Model(
    "my-model",
    # What a caller sends:
    asks=orders["placed_at", "warehouse", "carrier", "weight_kg", "distance_km", "promised_days"],
    features=[latest(backlog, "open_orders", by="warehouse", max_age="1d"), lateness, calendar],
    label=deliveries["days_late"] > 0,  # matched by order_id, used only once it is known
    fit=fit,
)
