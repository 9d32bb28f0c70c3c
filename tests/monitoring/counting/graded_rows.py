"""Rows as the journal joins them with labels, and the terms they are held to."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from outlast.data.profile import build, score_cells
from outlast.monitoring.counting.grading import Terms
from outlast.project.contract import Contract
from outlast.types import Task

NOW = datetime(2013, 7, 10, tzinfo=UTC)
MATURITY = timedelta(days=2)
rng = np.random.default_rng(3)
ROWS = pl.DataFrame({"wind": rng.normal(size=500), "origin": rng.choice(["EWR", "JFK"], 500)})
PROFILE = build(ROWS, rng.random(500), threshold=0.5)
PAYOFF = {"act": {"yes": "fare", "no": -25.0}, "wait": {"yes": 0.0, "no": 0.0}}
MOMENT = pl.Datetime("us", "UTC")
SCHEMA = {
    "decide_at": MOMENT, "rung": pl.String, "score": pl.Float64, "scores": pl.String, "decision": pl.String,
    "warnings": pl.List(pl.String), "cells": pl.Binary, "asks": pl.String, "features": pl.String,
    "value": pl.String, "known_at": MOMENT,
}  # fmt: skip


def terms(silence: str = "unknown", task: Task = "binary", **value: Any) -> Terms:
    worth = value or {"payoff": PAYOFF}
    contract = Contract.model_validate({"label": {"maturity": "2d", "silence": silence}, "value": worth})
    return Terms.of(contract, task, features=PROFILE.names, score_cells=partial(score_cells, PROFILE))


def one(**more: Any) -> pl.DataFrame:
    given = {
        "decide_at": NOW - timedelta(days=5), "rung": "full", "score": None, "scores": None, "decision": None,
        "warnings": [], "cells": b"\0\0", "asks": None, "features": None, "value": None,
        "known_at": NOW - timedelta(days=1),
    }  # fmt: skip
    return pl.DataFrame([{**given, **more}], schema=SCHEMA)
