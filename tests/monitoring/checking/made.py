"""A version's reference, made of rows whose loss hangs on the wind; and what arrives from this world, or another."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from watched import Origin

from outlast.bundle.answers import Answer
from outlast.bundle.format import pack
from outlast.data.past import FILE, HarmTree, LossScale, Pairs, Past, Reference, past_of, to_bytes
from outlast.data.profile import Profile, build, cells, score_cells, to_json
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.monitoring.checking.reference import Watched
from outlast.monitoring.counting.counts import Counts
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.versions import register
from outlast.types import micros

START = datetime(2013, 5, 6, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PAYOFF: Mapping[str, dict[str, float | str]] = {"act": {"yes": 120.0, "no": -25.0}, "wait": {"yes": 0.0, "no": 0.0}}
TREE = HarmTree((0, -1, -1), (0b11111111, 0, 0), (1, -1, -1), (2, -1, -1), (0, 0, 1))
PAIRS = Pairs([(0, 1, 1, 0)])


def world(rows: int, seed: int, *, shift: float = 0.0, odds: float = 0.0, missing: float = 0.0) -> pl.DataFrame:
    """Rows with their score, outcome and decision; a shift moves the wind, odds the outcomes, and some are missing."""
    rng = np.random.default_rng(seed)
    wind = rng.normal(shift, 1.0, rows)
    chance = 1 / (1 + np.exp(-(wind - 1)))
    late = rng.random(rows) < 1 / (1 + np.exp(-(wind - 1 + odds)))
    seen = pl.Series("wind", wind, strict=False)
    return pl.DataFrame(
        {
            "wind": pl.select(pl.when(pl.lit(rng.random(rows) >= missing)).then(seen)).to_series(),
            "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
            "score": chance,
            "late": late,
        }
    )


def profile_of(frame: pl.DataFrame) -> Profile:
    return build(frame.select("wind", "origin"), frame["score"].to_numpy(), threshold=25 / 145)


def reference(frame: pl.DataFrame, profile: Profile, length: timedelta) -> Reference:
    rows = frame.height
    at = np.sort(np.random.default_rng(5).integers(micros(START - length), micros(START), rows))
    late, acts = frame["late"].to_numpy(), frame["score"].to_numpy() > 25 / 145
    scale = LossScale("payoff", ["no", "yes"], dict(PAYOFF), span=120.0)
    mills = scale.mills(np.where(acts, "act", "wait").tolist(), np.where(late, "yes", "no").tolist())
    return Reference(
        at,
        cells(profile, frame),
        score_cells(profile, frame["score"].to_numpy()),
        frame["score"].to_numpy(),
        late.astype(np.float64),
        acts.astype(np.int64),
        late.astype(np.int64),
        mills,
    )


def past(rows: int = 20_000, weeks: int = 6) -> tuple[Past, Profile]:
    frame = world(rows, 1)
    profile = profile_of(frame)
    held = reference(frame, profile, timedelta(weeks=weeks))
    scale = LossScale("payoff", ["no", "yes"], dict(PAYOFF), span=120.0)
    learnt = (scale, TREE, PAIRS)
    return past_of(("wind", "origin"), held, learnt, every=lambda: (held.at, held.cells), seed=1), profile


def watched(weeks: int = 6, *, version: int = 1, digests: Mapping[str, str] | None = None) -> Watched:
    kept, profile = past(weeks=weeks)
    return Watched(version, profile, kept, HOUR, digests or {"wind": "w", "origin": "o"})


def arrived(frame: pl.DataFrame, of: Watched) -> Counts:
    """Counts as counting makes them, of rows whose outcome is known at once."""
    rows = reference(frame, of.profile, HOUR)
    made = past_of(("wind", "origin"), rows, (of.past.scale, TREE, PAIRS), every=lambda: (rows.at, rows.cells), seed=1)
    blocks, totals = made.blocks, made.totals
    leaves = np.zeros((32, 20), np.int64)
    np.add.at(leaves, (TREE.leaves(rows.cells), rows.score_cells), 1)
    pairs = np.zeros((50, 2), np.int64)
    pairs[: len(totals.by_pair)] = totals.by_pair
    more = {
        "cells": blocks.cells.sum(axis=0),
        "scores": blocks.scores.sum(axis=0),
        "graded": blocks.outcomes.sum(axis=0),
        "loss": np.array([frame.height, int(rows.mills.sum())]),
        "found": totals.by_cell,
        "leaves": leaves,
        "graded_leaves": totals.by_leaf,
        "pairs": pairs,
    }
    return Counts.of(("wind", "origin"), frame.height, more)


CONTRACT: dict[str, Any] = {
    "model": {"owner": "ops@example.com"},
    "value": {"currency": "EUR", "payoff": PAYOFF},
    "label": {"maturity": "2h"},
}
SUMMARY = {
    "metrics": {"roc_auc": {"value": 0.75, "low": 0.74, "high": 0.76}},
    "value": {"per_decision": 30.0, "low": 29.0, "high": 31.0, "model": 30.0, "baseline": 0.0, "currency": "EUR"},
}


def place(folder: Path, contract: Mapping[str, Any] | None = None) -> tuple[Workspace, Origin]:
    """A workspace in which version 1 is registered, with its past."""
    workspace, terms = Workspace(folder), Contract.model_validate({**CONTRACT, **(contract or {})})
    kept, profile = past()
    digests = {"wind": "w", "origin": "o"}
    manifest = {"model": "late", "task": "binary", "sources": {}, "lookups": [], "feature_digests": digests}
    live = msgspec.json.encode(terms.model_dump(mode="json"))
    files = {"profile.json": to_json(profile), "contract.json": live, FILE: to_bytes(kept)}
    digest = workspace.artifacts.put(pack(manifest, files))
    register(
        workspace.ledger, "late", digest=digest, code_digest=None, task="binary",
        summary=SUMMARY, lineage={}, by="ada", at=START,
    )  # fmt: skip
    return workspace, Origin(terms, profile, digest=digest, model="late")


def answered(origin: Origin, at: datetime, frame: pl.DataFrame) -> list[Answer]:
    """An hour of answers."""
    marks, step = cells(origin.profile, frame), HOUR / max(1, frame.height)
    moments = [micros(at + index * step) for index in range(frame.height)]
    return [
        Answer(
            f"{when}", None, when, when, {"origin": row["origin"]}, {"wind": row["wind"]}, row["score"], None,
            "act" if row["score"] > 25 / 145 else "wait", "full", [], [], bytes(mark),
        )
        for when, row, mark in zip(moments, frame.to_dicts(), marks, strict=True)
    ]  # fmt: skip


def happens(journal: Journal, origin: Origin, at: datetime, frame: pl.DataFrame) -> None:
    """An hour of answers, and what turned out of them an hour later."""
    answers = answered(origin, at, frame)
    later = [one.at + micros(datetime(1970, 1, 1, 1, tzinfo=UTC)) for one in answers]
    labels = [
        label("late", late, prediction_id=one.prediction_id, known_at=known, at=known, origin="http")
        for one, late, known in zip(answers, frame["late"].to_list(), later, strict=True)
    ]
    journal.predictions(answers, origin, request_id=f"{at}", server="s1")
    journal.labels(labels)
