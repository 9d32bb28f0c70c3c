"""A small project in which the loop can go round: a live version, and answers with labels, as servers journal them."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from msgspec.structs import replace

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, open_bundle, open_predictor
from outlast.gates.promote import promote
from outlast.journal import runs
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.journal.sources import over_history, sources_of
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.rollout import ANSWERING, current
from outlast.registry.versions import find
from outlast.training.run import train
from outlast.types import ModelRef, micros

NAME = "late-orders"
LIVE = datetime(2024, 2, 10, tzinfo=UTC)
"""When the first version was trained and went live."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN = """
policy = "automatic"
schedule = "7d"
cooldown = "1d"
labels = 0
shadow = "1d"
patience = "14d"
"""


def looped(folder: Path, plan: str = PLAN) -> Path:
    """The small project by this plan, with a version of 10 February live."""
    text = (folder / "outlast.toml").read_text()
    text = (
        text.replace('policy = "approval"\n', plan)
        .replace('until = "2024-03-25"\n', "")
        .replace("rate = 10", "rate = 50")
    )
    (folder / "outlast.toml").write_text(
        text.replace("[serving]", "[gate]\nmargin = 0.3\nvalue_margin = 3\n\n[serving]")
    )
    project = load_project(folder)
    train(project, by="ada", now=LIVE)
    promote(project.workspace, ModelRef(NAME, "latest"), by="ada", reason="the first", now=LIVE)
    return folder


@dataclass
class Traffic:
    """Orders as they come, answered by what is live and by who stands beside it; labels when they land."""

    workspace: Workspace
    worse: float = 0.0
    """How often the challenger says the contrary of what it thinks."""
    rung: str = "full"
    """What answers instead of the live version's model."""
    tables: bool = False
    """Whether they are rows of scored tables, beside which nothing is asked."""
    slow: float = 0.0
    """How often the challenger takes two seconds."""

    def __post_init__(self) -> None:
        data = load_project(self.workspace.root).folder / "data"
        orders = pl.read_csv(data / "orders.csv", try_parse_dates=True)
        landed = pl.read_csv(data / "deliveries.csv", try_parse_dates=True)
        self._rows = orders.join(landed.select("order_id", "delivered_at", "late"), on="order_id").sort("ordered_at")
        self._opened: dict[int, Predictor] = {}

    def through(self, since: datetime, until: datetime) -> int:
        """Answer every order of a time, and label it; how many there were."""
        state = current(self.workspace.ledger, NAME)
        assert state.live is not None
        at = pl.col("ordered_at").dt.replace_time_zone("UTC") if self._naive else pl.col("ordered_at")
        rows = self._rows.filter((at >= since) & (at < until)).to_dicts()
        live = [replace(one, rung=self.rung) for one in self._answers(state.live, rows)]
        beside = None if state.challenger is None or self.tables else self._answers(state.challenger, rows, self.worse)
        with Journal(self.workspace) as journal:
            given = live
            if beside is not None and state.stage in ANSWERING:
                given = [b if index % 10 == 3 else a for index, (a, b) in enumerate(zip(live, beside, strict=True))]
            for number, answers in ((state.live, live), (state.challenger, beside)):
                kept = [(one, index) for index, one in enumerate(answers or []) if given[index] is one]
                if kept and number is not None:
                    told = [([one], self._request(rows[index])) for one, index in kept]
                    took = [self._took(index, number == state.challenger) for _, index in kept]
                    server = runs.SCORING if self.tables else "s1"
                    journal.together(told, self._origin(number), server=server, took=took)
            if beside is not None and state.stage != "ab" and state.challenger is not None:
                asked = [(one, row) for one, row, said in zip(beside, rows, given, strict=True) if said is not one]
                told = [([one], self._request(row)) for one, row in asked]
                journal.shadows(told, self._origin(state.challenger), server="s1")
            journal.labels([self._label(one, row) for one, row in zip(given, rows, strict=True)])
        return len(rows)

    def _took(self, index: int, challenges: bool) -> int:
        return 2_000_000 if challenges and (index // 10) % 100 < 100 * self.slow else 3_000

    @property
    def _naive(self) -> bool:
        return self._rows.schema["ordered_at"] == pl.Datetime("us")

    def _request(self, row: dict[str, Any]) -> str:
        return f"r{row['order_id']}"

    def _label(self, answer: Answer, row: dict[str, Any]) -> Any:
        known = micros(row["delivered_at"])
        return label(NAME, row["late"], prediction_id=answer.prediction_id, known_at=known, at=known, origin="http")

    def _origin(self, number: int) -> Predictor:
        if number not in self._opened:
            digest = find(self.workspace.ledger, ModelRef(NAME, number)).digest
            self._opened[number] = open_predictor(self.workspace, digest, number)
        return self._opened[number]

    def _answers(self, number: int, rows: list[dict[str, Any]], worse: float = 0.0) -> list[Answer]:
        predictor = self._origin(number)
        sources = sources_of(self.workspace, open_bundle(self.workspace, predictor.digest))
        asks = [{name: row[name] for name in ("shop", "weight", "coupon")} for row in rows]
        moments = [row["ordered_at"].isoformat() for row in rows]
        asked = predictor.decode([{**a, "ordered_at": at} for a, at in zip(asks, moments, strict=True)], micros(LIVE))
        answers = predictor.answer(asked, micros(LIVE), over_history(sources, predictor.lookups)) if rows else []
        return [
            _dated(one, number, row, turned=index % 100 < 100 * worse)
            for index, (one, row) in enumerate(zip(answers, rows, strict=True))
        ]


def _dated(answer: Answer, number: int, row: dict[str, Any], *, turned: bool) -> Answer:
    decision = answer.decision
    if turned:
        decision = "wait" if row["late"] else "call"
    at = micros(row["ordered_at"])
    return replace(
        answer, prediction_id=f"{at:014x}-{number}-{row['order_id']}", at=at, decide_at=at, decision=decision
    )


def copied(template: Path, folder: Path) -> Workspace:
    """A copy of a looped project."""
    shutil.copytree(template, folder)
    return Workspace.find(folder)
