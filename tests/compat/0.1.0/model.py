import polars as pl
from outlast import Model, Source, latest, window

orders = Source("orders", "data/orders.csv", key="order_id", time="ordered_at")
deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(hour=pl.col("ordered_at").dt.hour())


class Rule:
    """A model that needs no library: later releases test Outlast's formats with it and nothing else."""

    def predict(self, x):
        rows = x.select("weight", "late_3d", "hour").rows()
        return [min(0.96875, weight / 16 + (late or 0.0) / 2 + hour / 256) for weight, late, hour in rows]


def fit(x, y, seed):
    return Rule()


model = Model(
    "late-orders",
    asks=orders["shop", "weight", "coupon", "ordered_at"],
    features=[
        window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean(), many=pl.len()),
        latest(deliveries, last_late="late", last_at="delivered_at", by="shop", max_age="20d"),
        calendar,
    ],
    label=deliveries["late"] == True,
    fit=fit,
)
