"""Measures what naive retraining would have earned in the flights' year, beside the loop and the frozen model.

    make demo && python benchmarks/naive.py [examples/flights]

The loop's and the frozen model's decisions are those of the finished demo; the naive one is fitted every week on the
last sixty days that were known then, on the features as they were known, and replaces what is live.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from _report import conclude, table, where

from outlast.bundle.decisions import threshold
from outlast.gates.champion import MONEY
from outlast.project.loader import Project, load_project
from outlast.registry.versions import Version, find
from outlast.training.evaluation.paired import Difference, blocks_of, difference, mean_gain
from outlast.training.frame import frame_of
from outlast.types import ModelRef

START, END = datetime(2013, 7, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
WEEK, WINDOW = timedelta(days=7), timedelta(days=60)


def weekly(project: Project) -> pl.DataFrame:
    """What naive retraining decides about every question of the year that was labelled."""
    training = project.contract.training.model_copy(update={"until": f"{END:%Y-%m-%d}"})
    whole = replace(project, contract=project.contract.model_copy(update={"training": training}))
    rows = frame_of(whole, as_of=END + timedelta(days=30)).rows
    names = [name for name in rows.columns if name not in ("key", "asked_at", "label", "label_known_at")]
    edge, found, begin = threshold(project.contract), [], START
    while begin < END:
        known = rows.filter(pl.col("asked_at").is_between(begin - WINDOW, begin) & (pl.col("label_known_at") < begin))
        asked = rows.filter(pl.col("asked_at").is_between(begin, begin + WEEK, closed="left"))
        fitted = project.model.fit(
            known.select(names), known["label"].cast(pl.Int64).to_numpy(), project.contract.training.seed
        )
        chances = fitted.predict_proba(asked.select(names))[:, 1]
        found.append(asked.select("key", "asked_at").with_columns(naive=pl.Series(chances > edge)))
        begin += WEEK
    return pl.concat(found)


def apart(rows: pl.DataFrame, ours: str, theirs: str) -> Difference:
    """What a decision of one earned above that of the other, days as one."""
    pair: Any = [rows[name].to_numpy() for name in (ours, theirs)]
    found = difference(mean_gain(*pair), blocks_of(rows["asked_at"].dt.epoch("us").to_numpy()), 1)
    assert found is not None, "a half year has days enough"
    return found


def by_month(rows: pl.DataFrame) -> str:
    """What each of the three earned, month by month."""
    month = pl.col("asked_at").dt.truncate("1mo").alias("month")
    sums = rows.group_by(month).agg(pl.col("worth", "frozen_worth", "naive_worth").sum()).sort("month")
    made = [(f"{at:%B}", *(f"{value:,.0f}" for value in values)) for at, *values in sums.iter_rows()]
    return table(("month, USD", "loop", "frozen", "naive"), made)


def lived(folder: Path) -> tuple[pl.DataFrame, Version]:
    """Every answer of the demo whose flight landed, and what it was worth of each of the three."""
    sys.path.insert(0, str(folder.resolve()))
    from year import outcomes  # the example's own

    project = load_project(folder)
    frozen = find(project.workspace.ledger, ModelRef(project.model.name, 1))
    rows = outcomes(project, frozen).drop_nulls("worth").rename({"decide_at": "asked_at"})
    joined = rows.join(weekly(project), on=["key", "asked_at"], how="inner")
    print(f"{joined.height:,} of {rows.height:,} answers whose flight landed are in the training set too")
    act = project.contract.value.payoff["rebook"]
    gain = pl.when(pl.col("late")).then(float(act["yes"])).otherwise(float(act["no"]))
    return joined.with_columns(naive_worth=pl.when("naive").then(gain).otherwise(0.0)), frozen


def main(folder: Path) -> int:
    if not (folder / ".outlast" / "year.svg").exists():
        raise SystemExit(f"No demo has been lived through in {folder}: run `make demo` first, it takes ten minutes")
    rows, frozen = lived(folder)
    earned = [float(rows[name].mean()) for name in ("worth", "frozen_worth", "naive_worth")]
    beside = apart(rows, "worth", "frozen_worth"), apart(rows, "worth", "naive_worth")
    margin = MONEY * abs(frozen.summary["value"]["per_decision"])
    chances = beside[0].chance_below(-margin), beside[0].chance_below(0.0)
    said = [f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})" for one in beside]
    head = ("world", "loop", "frozen", "naive", "loop − frozen", "loop − naive", "p, margin", "p, none")
    made = [("flights, July to December", *(f"{one:.2f}" for one in earned), *said, *(f"{p:.2f}" for p in chances))]
    over = f"USD a decision over {rows.height:,} flights that landed; intervals of days."
    found = f"{table(head, made)}\n\n{over}\n\n{by_month(rows)}"
    bar = f"not surely below the frozen model by more than {margin:.2f}, a tenth of its promise, beside the twenty."
    held = chances[0] >= 0.05 / 21
    return conclude("naive", found=found, bar=bar, held=held, machine=where("lightgbm", "numpy"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/flights")))
