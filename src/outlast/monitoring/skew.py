"""Were served features the right ones? Computed again later, from the facts as known at each decision.

A feature that was served with another value differs for one of two reasons. *Late*: with the facts that had arrived
when the answer was given it comes out as it was served, so a fact came later than its time and its source's lag say.
*Other code*: it does not come out so with those either.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import Predictor, open_bundle, open_predictor
from outlast.features.invariance import same
from outlast.journal.reading import predictions
from outlast.journal.sources import over_history, sources_of
from outlast.journal.spelling import from_text
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transitions

SAMPLE = 500
EXPLAINED = 50
"""Answers with a difference whose reason is looked for, of each version; of the others it is not said."""
Values = dict[str, Any]


@dataclass
class Column:
    """One feature: how many answers were looked at, how many differ, and why, as far as that was looked for."""

    column: str
    rows: int = 0
    differ: int = 0
    late: int = 0
    other_code: int = 0
    example: Values | None = None

    @property
    def rate(self) -> float:
        return self.differ / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Audit:
    """What was found of a model's answers in a period."""

    model: str
    served: int
    looked_at: int
    columns: tuple[Column, ...]

    @property
    def differ(self) -> int:
        """How many values were served that are not what they should have been."""
        return sum(one.differ for one in self.columns)


def audit(
    workspace: Workspace, model: str, *, since: datetime | None = None, until: datetime | None = None,
    sample: int = SAMPLE,
) -> Audit:  # fmt: skip
    """Compute a sample of the answers of a period again; the same sample for the same period."""
    whole = predictions(workspace, model, since, until).filter(
        pl.col("rung") == "full", pl.col("features").is_not_null()
    )
    rows = whole.select("prediction_id", "version", "digest", "at", "decide_at", "asks", "features").collect()
    chosen = rows.sort(pl.col("prediction_id").hash(0)).head(sample).sort("version", "decide_at")
    found: dict[str, Column] = {}
    for part in chosen.partition_by("version", maintain_order=True):
        _look(_Version(workspace, part["digest"][0], part["version"][0]), part, found)
    return Audit(model, rows.height, chosen.height, tuple(found.values()))


class _Version:
    """A version that answered, and ways to compute its features again."""

    def __init__(self, workspace: Workspace, digest: str, number: int) -> None:
        self.workspace = workspace
        self.bundle: Bundle = open_bundle(workspace, digest)
        self.predictor: Predictor = open_predictor(workspace, digest, number)
        self.names = [name for name in self.predictor.features if name not in {one.name for one in self.predictor.asks}]
        steps = transitions(workspace.ledger, self.predictor.model)
        self.filled = [step.at for step in steps if step.to_version == number]

    def compute(
        self, rows: list[Values], at: datetime, *, arrived: datetime | None = None, filled: bool = False
    ) -> Any:
        """The features of rows by the whole history, or by what had arrived by a moment.

        With `filled`, of the rows at a source's location only those count that were known when fresh values were
        filled from them, at the promotion before.
        """
        before = [one for one in self.filled if arrived is not None and one <= arrived]
        sources = sources_of(
            self.workspace, self.bundle, arrived=arrived, held=max(before) if filled and before else None
        )
        found = self.predictor.predict(rows, at=at, look_up=over_history(sources, self.predictor.lookups))
        return [one.features for one in found]

    def request(self, row: Values) -> Values:
        """What was asked, as of the moment it was decided about."""
        asked = from_text(row["asks"])
        return asked if self.predictor.time is None else {**asked, self.predictor.time: row["decide_at"]}


def _look(version: _Version, part: pl.DataFrame, found: dict[str, Column]) -> None:
    rows = part.to_dicts()
    requests = [version.request(row) for row in rows]
    explained = 0
    for row, request, right in zip(rows, requests, version.compute(requests, rows[-1]["at"]), strict=True):
        served = from_text(row["features"])
        wrong = list(_unlike(served, right))
        for name in version.names:
            found.setdefault(name, Column(name)).rows += 1
        reasons = _reasons(version, row, request, wrong) if wrong and explained < EXPLAINED else {}
        explained += bool(wrong)
        for name in wrong:
            _count(found[name], reasons.get(name), {
                "prediction_id": row["prediction_id"], "served": served.get(name), "computed": right[name],
            })  # fmt: skip


def _count(column: Column, reason: str | None, example: Values) -> None:
    column.differ += 1
    column.late += reason == "late"
    column.other_code += reason == "other code"
    column.example = column.example or example


def _reasons(version: _Version, row: Values, request: Values, wrong: list[str]) -> dict[str, str]:
    served = from_text(row["features"])
    found = dict.fromkeys(wrong, "other code")
    for filled in (False, True):
        (then,) = version.compute([request], row["at"], arrived=row["at"], filled=filled)
        found |= {name: "late" for name in wrong if _alike(served.get(name), then[name])}
    return found


def _unlike(served: Values, right: Values) -> Iterator[str]:
    yield from (name for name, value in right.items() if not _alike(served.get(name), value))


def _alike(one: Any, other: Any) -> bool:
    return same(_plain(one), _plain(other))


def _plain(value: Any) -> Any:
    """A moment without a zone or as text is one with it: the journal keeps all of them alike."""
    return msgspec.to_builtins(value) if not isinstance(value, int | float | str | None) else value
