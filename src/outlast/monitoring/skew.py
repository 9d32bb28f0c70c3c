"""Were served features the right ones? Computed again later, from the facts as known at each decision.

A feature that was served with another value differs for one of two reasons. *Late*: with the facts that had come in
when the answer was given it comes out as it was served, so a fact came later than its time and its source's lag say.
*Other code*: it does not come out so with those either.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PanicException

from outlast.bundle.predictor import TOO_EARLY, Predictor, open_bundle, open_predictor
from outlast.errors import Conflict, OutlastError
from outlast.features.invariance import same
from outlast.journal.reading import predictions
from outlast.journal.sources import Sources, sources_of
from outlast.journal.spelling import from_text
from outlast.monitoring.asof import AsOf, Seen
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transitions
from outlast.types import micros

SAMPLE = 500
READ = 20_000_000
"""Facts that are read to find reasons, of each version; of the answers beyond that the reason is not said."""
Values = dict[str, Any]
Hold = Callable[[], None]
_log = logging.getLogger("outlast.skew")
_COLUMNS = ("prediction_id", "version", "digest", "at", "decide_at", "asks", "features")


@dataclass
class Column:
    """One feature of one version: how many answers were looked at, how many differ, and why."""

    version: int
    column: str
    source: str | None = None
    """Where its facts come from; None where a function computes it."""
    rows: int = 0
    differ: int = 0
    late: int = 0
    other_code: int = 0
    examples: dict[str, Values] = field(default_factory=dict)
    """For each reason the first answer with it."""

    @property
    def rate(self) -> float:
        return self.differ / self.rows if self.rows else 0.0

    @property
    def unexplained(self) -> int:
        """Answers that differ and whose reason was not looked for."""
        return self.differ - self.late - self.other_code


@dataclass(frozen=True)
class Unread:
    """A version that could not be computed again, how many of its answers were to be, and why not."""

    version: int
    answers: int
    sentence: str


@dataclass(frozen=True)
class Audit:
    """What was found of a model's answers in a period.

    `served` are those among its answers that the model gave in full, with their features kept, and without a warning
    that facts may be gone.
    """

    model: str
    answers: int
    served: int
    looked_at: int
    columns: tuple[Column, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def differ(self) -> int:
        """How many values were served that are not what they should have been."""
        return sum(one.differ for one in self.columns)


def audit(
    workspace: Workspace, model: str, *, since: datetime | None = None, until: datetime | None = None,
    sample: int = SAMPLE, opened: "Opened | None" = None, hold: Hold = lambda: None,
) -> Audit:  # fmt: skip
    """Compute a sample of the answers of a period again; the same sample for the same period.

    `hold` is called between steps. A version that cannot be computed again is reported and does not stop the others.
    What is `opened` serves the audits of several periods.
    """
    opened = opened or Opened(workspace)
    asked = predictions(workspace, model, since, until)
    early = pl.col("warnings").list.eval(pl.element().str.starts_with(TOO_EARLY)).list.any()
    full = pl.col("features").is_not_null() & (pl.col("rung") == "full") & ~early.fill_null(False)
    names = asked.select("prediction_id", full.alias("full")).collect()
    served = names.filter("full")["prediction_id"]
    chosen = served.to_frame().sort(pl.col("prediction_id").hash(0), "prediction_id").head(sample)
    rows = asked.filter(full).join(chosen.lazy(), on="prediction_id", how="semi").select(_COLUMNS).collect()
    found: list[Column] = []
    unread: list[Unread] = []
    for part in rows.sort("version", "decide_at", "prediction_id").partition_by("version", maintain_order=True):
        hold()
        looked = _look(opened, part.to_dicts(), hold)
        if isinstance(looked, Unread):
            unread.append(looked)
        else:
            found += looked
    looked_at = rows.height - sum(one.answers for one in unread)
    return Audit(model, names.height, len(served), looked_at, tuple(found), tuple(unread))


class Opened:
    """What answers are computed again with: each version's predictor, and the facts that were read for it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._of: dict[tuple[str, int], tuple[Predictor, Sources]] = {}

    def of(self, digest: str, number: int) -> tuple[Predictor, Sources]:
        """A version, read at its first audit."""
        key = (digest, number)
        if key not in self._of:
            sources = sources_of(self.workspace, open_bundle(self.workspace, digest))
            self._of[key] = open_predictor(self.workspace, digest, number), sources
        return self._of[key]


class _Version:
    """Answers of one version, and their features computed again."""

    def __init__(self, opened: Opened, rows: list[Values], hold: Hold) -> None:
        self.number: int = rows[0]["version"]
        self.rows = rows
        self.predictor, sources = opened.of(rows[0]["digest"], self.number)
        self.names = self.predictor.features[len(self.predictor.asks) :]
        steps = transitions(opened.workspace.ledger, self.predictor.model)
        self._filled = sorted(micros(step.at) for step in steps if step.to_version == self.number)
        self._asof = AsOf(sources, self.predictor.lookups, hold)
        self._requests = [self._request(row) for row in rows]
        self._moments = [micros(row["at"]) for row in rows]

    def sources(self) -> dict[str, str]:
        """The source of each feature that is looked up."""
        return {name: one.lookup.source.name for one in self.predictor.lookups for name in one.schema}

    def today(self) -> list[Values]:
        """The features of every row, by everything that is known today."""
        return self.predictor.features_of(self._requests, at=self._moments, look_up=self._asof.today)

    def then(self, seen: Sequence[Seen]) -> list[Values]:
        """The features of some of the rows, by what they saw."""
        requests = [self._requests[one.question] for one in seen]
        moments = [self._moments[one.question] for one in seen]
        return self.predictor.features_of(requests, at=moments, look_up=self._asof.then(seen))

    def likely(self, index: int) -> list[Seen]:
        """What an answer saw by the clocks: facts that had come in, and with them all that lay at a location, or only
        what had when fresh values were filled from it, at the promotion before."""
        at = self._moments[index]
        before = [one for one in self._filled if one <= at]
        return [Seen(index, at), *([Seen(index, at, before[-1])] if before else [])]

    def unlikely(self, index: int) -> list[Seen]:
        """What it may have seen besides."""
        return self._asof.others(index, micros(self.rows[index]["decide_at"]), self.likely(index)[-1])

    def affordable(self, wrong: Sequence[int]) -> list[int]:
        """As many of the rows as reasons can be looked for, one at least."""
        total, found = 0, list[int]()
        for index in wrong:
            total += self._asof.weights[index]
            if found and total > READ:
                break
            found.append(index)
        return found

    def _request(self, row: Values) -> Values:
        """What was asked, as of the moment it was decided about."""
        asked = from_text(row["asks"])
        return asked if self.predictor.time is None else {**asked, self.predictor.time: row["decide_at"]}


def _look(opened: Opened, rows: list[Values], hold: Hold) -> list[Column] | Unread:
    """The columns of one version, or why they cannot be computed again."""
    number = rows[0]["version"]
    try:
        version = _Version(opened, rows, hold)
        right = version.today()
        wrong = {index: names for index, names in enumerate(_differing(rows, right)) if names}
        return _columns(version, (right, wrong, _reasons(version, wrong)))
    except Conflict:  # the lease is lost: no fault of the version
        raise
    except OutlastError as error:
        return Unread(number, len(rows), error.sentence)
    except (Exception, PanicException) as error:  # noqa: BLE001 - the version's code runs here
        _log.exception("version %d could not be computed again", number)
        return Unread(number, len(rows), f"its code raised {type(error).__name__}: {error}")


def _differing(rows: list[Values], right: list[Values]) -> Iterator[list[str]]:
    for row, values in zip(rows, right, strict=True):
        served = from_text(row["features"])
        yield [name for name, value in values.items() if not _alike(served.get(name), value)]


def _reasons(version: _Version, wrong: dict[int, list[str]]) -> dict[tuple[int, str], str]:
    """Why each value differs: late facts, if it is what some state of the feeds at that time gives."""
    looked = version.affordable(list(wrong))
    found = {(index, name): "other code" for index in looked for name in wrong[index]}
    for states in (version.likely, version.unlikely):
        open_ = sorted({index for (index, _), reason in found.items() if reason == "other code"})
        seen = [one for index in version.affordable(open_) for one in states(index)]
        for one, values in zip(seen, version.then(seen) if seen else [], strict=True):
            served = from_text(version.rows[one.question]["features"])
            for name in wrong[one.question]:
                if _alike(served.get(name), values[name]):
                    found[one.question, name] = "late"
    return found


def _columns(
    version: _Version, compared: tuple[list[Values], dict[int, list[str]], dict[tuple[int, str], str]]
) -> list[Column]:
    right, wrong, reasons = compared
    sources = version.sources()
    found = {name: Column(version.number, name, sources.get(name), len(right)) for name in version.names}
    for index, names in wrong.items():
        row = version.rows[index]
        served = from_text(row["features"])
        for name in names:
            column, reason = found[name], reasons.get((index, name), "unexplained")
            column.differ += 1
            column.late += reason == "late"
            column.other_code += reason == "other code"
            values = {"served": _said(served.get(name)), "computed": _said(right[index][name])}
            column.examples.setdefault(reason, {"prediction_id": row["prediction_id"], **values})
    return list(found.values())


def _alike(one: Any, other: Any) -> bool:
    return same(_plain(one), _plain(other))


def _plain(value: Any) -> Any:
    """A moment without a zone or as text is one with it: the journal keeps all of them alike."""
    return msgspec.to_builtins(value) if not isinstance(value, int | float | str | None) else value


def _said(value: Any) -> Any:
    """A value as an example shows it: long ones cut, and what JSON has no word for spelt out."""
    plain = _plain(value)
    if isinstance(plain, bool | int | None) or (isinstance(plain, float) and math.isfinite(plain)):
        return plain
    text = str(plain)
    return text if len(text) <= 40 else text[:39] + "…"
