"""A workspace with a registered version and a journal, without training: what the watch needs and nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from outlast.bundle.answers import Answer
from outlast.bundle.format import pack
from outlast.data.profile import Profile, build, cells, to_json
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.versions import register
from outlast.types import micros

MODEL = "late"
START = datetime(2013, 7, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SUMMARY = {
    "metrics": {
        "roc_auc": {"value": 0.75, "low": 0.74, "high": 0.76},
        "brier": {"value": 0.2, "low": 0.195, "high": 0.205},
    },
    "value": {"per_decision": 10.0, "low": 9.0, "high": 11.0, "model": 10.0, "baseline": 0.0, "currency": "EUR"},
}
CONTRACT: dict[str, Any] = {
    "model": {"owner": "ops@example.com"},
    "value": {"currency": "EUR", "payoff": {"act": {"yes": 120, "no": -25}, "wait": {"yes": 0, "no": 0}}},
    "label": {"maturity": "2d"},
}


@dataclass(frozen=True)
class Origin:
    """The version that answers."""

    contract: Contract
    profile: Profile
    version: int = 1
    digest: str = ""
    model: str = MODEL


def made(folder: Path, contract: dict[str, Any] | None = None, *, url: str | None = None) -> tuple[Workspace, Origin]:
    """A workspace in which version 1 of a binary model is registered."""
    from outlast.settings import Settings

    workspace = Workspace(folder, settings=Settings(ledger=url))
    terms = Contract.model_validate({**CONTRACT, **(contract or {})})
    rng = np.random.default_rng(1)
    profile = build(features(20_000, rng), rng.random(20_000), threshold=0.5)
    manifest = {"model": MODEL, "task": "binary", "sources": {}, "lookups": []}
    files = {"profile.json": to_json(profile), "contract.json": msgspec.json.encode(terms.model_dump(mode="json"))}
    digest = workspace.artifacts.put(pack(manifest, files))
    register(
        workspace.ledger, MODEL, digest=digest, code_digest=None, task="binary",
        summary=SUMMARY, lineage={}, by="ada", at=START,
    )  # fmt: skip
    return workspace, Origin(terms, profile, digest=digest)


def features(n: int, rng: np.random.Generator, shift: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame({"wind": rng.normal(shift, 1.0, n), "origin": rng.choice(["EWR", "JFK", "LGA"], n)})


def predict(
    workspace: Workspace,
    origin: Origin,
    times: list[datetime],
    *,
    seed: int = 2,
    shift: float = 0.0,
    labels: str = "fair",
    empty: bool = False,
) -> list[str]:
    """Journal one prediction per moment, with labels two hours later: `fair` by the score, `turned` or `none`."""
    rng = np.random.default_rng(seed)
    rows = features(len(times), rng, shift)
    if empty:
        rows = rows.with_columns(wind=pl.lit(None, pl.Float64))
    scores = rng.random(len(times))
    marks = [bytes(row) for row in cells(origin.profile, rows)]
    answers = [
        Answer(
            f"p{seed}-{index}", None, micros(at), micros(at), {"origin": rows["origin"][index]},
            {"wind": rows["wind"][index]}, float(scores[index]), None,
            "act" if scores[index] > 0.5 else "wait", "full", [], [], marks[index],
        )
        for index, at in enumerate(times)
    ]  # fmt: skip
    with Journal(workspace) as journal:
        journal.predictions(answers, origin, request_id=f"r{seed}", server="s1")
        if labels != "none":
            truths = rng.random(len(times)) < (scores if labels == "fair" else 1 - scores)
            known = [micros(at + 2 * HOUR) for at in times]
            journal.labels(
                [
                    label(MODEL, bool(truth), prediction_id=answer.prediction_id, known_at=k, at=k, origin="http")
                    for truth, answer, k in zip(truths, answers, known, strict=True)
                ]
            )
    return [answer.prediction_id for answer in answers]


def through_the_day(n: int, day: datetime = START) -> list[datetime]:
    """Moments spread evenly over a day."""
    return [day + index * (DAY / n) for index in range(n)]
