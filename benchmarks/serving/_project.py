"""The model that every server of this folder answers by, in a project of its own, and what to ask of it."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _outlast import Project

MODEL = "churn"
ROWS, CUSTOMERS, QUESTIONS, SEED = 20_000, 2_000, 512, 11
NUMBERS, WORDS, LOOKED_UP = 10, 3, 20
CATEGORIES = [[f"{letter}{n}" for n in range(8)] for letter in "abc"]

CODE = '''
"""Ten numbers and three words, cleaned by thirteen expressions, beside twenty fresh values of the customer."""

import polars as pl

from outlast import Model, Source, latest

NUMBERS = [f"n{i}" for i in range(10)]
WORDS = [f"w{i}" for i in range(3)]
asked = Source("asked", "asked.parquet", key="question", time="at")
usage = Source("usage", "usage.parquet", key=["customer", "at"], time="at")
churned = Source("churned", "churned.parquet", key="question", time="at")


def cleaned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        *[(pl.col(name).fill_null(0.0) * 1.5 - 0.25).clip(-6.0, 6.0).alias(f"x{name}") for name in NUMBERS],
        *[pl.col(name).fill_null("a0").alias(f"x{name}") for name in WORDS],
    )


def fit(x, y, seed):
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, words = [f"x{name}" for name in NUMBERS], [f"x{name}" for name in WORDS]
    encode = ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        ]
    )
    boosted = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)
    return make_pipeline(encode, boosted).fit(x, y)


model = Model(
    "churn",
    asks=asked["customer", *NUMBERS, *WORDS],
    features=[latest(usage, *[f"u{i}" for i in range(20)], by="customer"), cleaned],
    label=churned["churned"] == 1,
    fit=fit,
)
'''

CONTRACT = """
[model]
problem = "Will this customer leave, so that a call is due?"
owner = "bench@example.com"
runbook = "RUNBOOK.md"
task = "binary"

[value]
currency = "EUR"
payoff = { call = { yes = 40, no = -5 }, wait = { yes = 0, no = 0 } }

[label]
delay = "1h"

[gate]
floors = { roc_auc = 0.6 }
margin = 0.1
value_margin = 10

[serving]
p99 = "50ms"
rate = 50
ladder = ["full", "default", "refuse"]
defaults = { decision = "wait" }

[retraining]
policy = "approval"
"""


class Churn(Project):
    """The project, and what to ask of it."""

    def served(self) -> list[dict[str, Any]]:
        """What `outlast history` says was served."""
        found: list[dict[str, Any]] = self.said("history", MODEL)["served"]
        return found

    def questions(self) -> list[dict[str, Any]]:
        """What callers send."""
        rows = pl.read_parquet(self.folder / "asked.parquet").tail(QUESTIONS).drop("question", "at")
        return rows.to_dicts()

    def features(self) -> list[dict[str, Any]]:
        """The thirteen columns of the same questions as the estimator gets them: what a peer is sent."""
        rows = pl.DataFrame(self.questions())
        sys.path.insert(0, str(self.folder))
        import model

        sys.path.pop(0)
        found: list[dict[str, Any]] = model.cleaned(rows).to_dicts()
        return found


def data(folder: Path) -> None:
    """Questions, the facts their customers have, and what became of them."""
    draw = np.random.default_rng(SEED)
    numbers = draw.normal(size=(ROWS, NUMBERS))
    words = draw.integers(0, 8, size=(ROWS, WORDS))
    begin = datetime.now(UTC).replace(microsecond=0, tzinfo=None) - timedelta(days=40)
    at = [begin + timedelta(seconds=150 * n) for n in range(ROWS)]
    asked = {"question": np.arange(ROWS), "customer": draw.integers(0, CUSTOMERS, ROWS), "at": at}
    asked |= {f"n{i}": numbers[:, i] for i in range(NUMBERS)}
    asked |= {f"w{i}": [CATEGORIES[i][n] for n in words[:, i]] for i in range(WORDS)}
    pl.DataFrame(asked).write_parquet(folder / "asked.parquet")
    says = numbers[:, 0] * 1.2 + np.sin(numbers[:, 1] * 2) + (words[:, 0] > 4) + draw.normal(size=ROWS)
    truth = {"question": asked["question"], "at": [one + timedelta(hours=1) for one in at], "churned": (says > 0.8) * 1}
    pl.DataFrame(truth).write_parquet(folder / "churned.parquet")
    usage = {"customer": np.repeat(np.arange(CUSTOMERS), 2), "at": [begin, begin + timedelta(days=20)] * CUSTOMERS}
    usage |= {f"u{i}": draw.normal(size=2 * CUSTOMERS) for i in range(LOOKED_UP)}
    pl.DataFrame(usage).write_parquet(folder / "usage.parquet")


@contextmanager
def churn() -> Iterator[Churn]:
    """A fresh project, live, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as scratch:
        folder = Path(scratch)
        data(folder)
        for name, text in (("model.py", CODE), ("outlast.toml", CONTRACT), ("RUNBOOK.md", "Call nobody.\n")):
            (folder / name).write_text(text.lstrip(), "utf-8")
        project = Churn(folder)
        project.run("train", "--quiet")
        project.run("promote", MODEL, "--quiet", "--reason", "to be measured")
        yield project
