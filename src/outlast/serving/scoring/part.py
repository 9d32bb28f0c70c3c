"""One part of a table: answered by the Predictor that serves, kept in the journal, and laid down beside its rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.bundle.requests import Asked
from outlast.bundle.ways import each
from outlast.errors import RequestError, Unavailable
from outlast.journal import runs
from outlast.journal.sources import over_history, sources_of
from outlast.project.workspace import Workspace
from outlast.serving.scoring.kept import Kept, Run, Told
from outlast.types import micros, now, utc

_MISSPELT = 0.8
"""How alike names are of which one is the other misspelt."""
_SPLITS = 256
"""Into how many parts rows are divided at most to find those that have no answer."""


class Scorer:
    """A version that answers parts of a run; each process has one of its own."""

    def __init__(self, workspace: Workspace, run: Run, folder: Path, target: str) -> None:
        self._workspace, self._run, self._kept = workspace, run, Kept(folder, target)
        bundle = open_bundle(workspace, run.digest)
        self._predictor = Predictor(bundle, run.version, workspace.fresh)
        history = bool(self._predictor.lookups) and run.facts == "history"
        lookups = self._predictor.lookups
        self._look_up = over_history(sources_of(workspace, bundle), lookups) if history else None

    def score(self, number: int, rows: pl.DataFrame) -> Told:
        """Answer a part, and keep it: its file first, so that what the journal has is never without one."""
        read = rows.select(asked(rows.columns, self._predictor.manifest))
        answers = self._answers(number, read.with_columns(pl.selectors.float().fill_nan(None)).to_dicts())
        found = _told(answers)
        self._kept.keep(number, _beside(rows, _frame(answers, self._predictor)), found)
        if self._run.record:
            given = [one for one in answers if one.rung != "refused"]
            name = self._run.request(number)
            runs.keep(self._workspace, given, self._predictor, request_id=name, server=runs.SCORING)
        return found

    def _answers(self, number: int, rows: list[dict[str, Any]]) -> list[Answer]:
        """One answer per row. A row that over HTTP would be refused is refused alone; if all are, the table is."""
        first, begun, at = number * self._run.part, micros(utc(self._run.started_at)), micros(now())
        decoded, faults = decoded_alone(self._predictor, rows, first, begun)
        if number == 0 and not decoded:
            raise faults[0]
        predictor = self._predictor

        def fell(some: list[Asked], error: BaseException) -> list[Answer]:
            if not isinstance(error, Unavailable | RequestError):
                raise error
            return [_refused(at, one.key, one.decide_at, str(error)) for one in some]

        found = iter(each(decoded, lambda some: predictor.answer(some, at, self._look_up), fell, parts=_SPLITS))
        return [_refused(at, None, begun, str(faults[n])) if n in faults else next(found) for n in range(len(rows))]


def asked(columns: Sequence[str], manifest: Mapping[str, Any]) -> list[str]:
    """The columns the version reads, since others are no fault of a file; all, where an error will name the nearest."""
    asks = {one["name"] for one in manifest["asks"]}
    _require_spelt(columns, asks, {one["name"] for one in manifest["key"]} | {manifest["time"]})
    if not asks <= set(columns):
        return list(columns)
    known = asks | {one["name"] for one in manifest["key"]} | {manifest["time"]}
    return [name for name in columns if name in known]


def _require_spelt(columns: Sequence[str], asks: set[str], others: set[str]) -> None:
    """A column that is missing may be missing by the contract; one that is misspelt is missing in every row."""
    spare = [name for name in columns if name not in asks | others]
    for name in sorted(asks - set(columns)):
        close = get_close_matches(name, spare, n=1, cutoff=_MISSPELT)
        if close:
            said = f"The table has no column '{name}': did you mean '{close[0]}'?"
            raise RequestError(said, details={"field": name})


def decoded_alone(
    predictor: Predictor, rows: list[dict[str, Any]], first: int, at: int
) -> tuple[list[Asked], dict[int, RequestError]]:
    """Rows decoded, and what is wrong with those that cannot be, by their place; `first` is the place of the first."""
    found: list[Asked] = []
    faults: dict[int, RequestError] = {}
    begin = 0
    while begin < len(rows):
        try:
            found += predictor.decode(rows[begin:] if begin else rows, at)
        except RequestError as error:
            here = error.details["row"]
            found += predictor.decode(rows[begin : begin + here], at) if here else []
            sentence = error.sentence.replace(f"Row {here}", f"Row {first + begin + here}", 1)
            faults[begin + here] = RequestError(sentence, details={**error.details, "row": first + begin + here})
            begin += here + 1
        else:
            break
    return found, faults


def _told(answers: Sequence[Answer]) -> Told:
    """What became of some rows."""
    refused = next((one.reasons[0] for one in answers if one.rung == "refused"), None)
    warned = sum(bool(one.warnings) for one in answers)
    return Told(len(answers), warned, dict(Counter(one.rung for one in answers)), refused)


def _refused(at: int, key: str | None, decide_at: int, reason: str) -> Answer:
    return Answer("", key, at, decide_at, {}, {}, None, None, None, "refused", [reason], [], b"")


def _frame(answers: Sequence[Answer], predictor: Predictor) -> pl.DataFrame:
    """Answers as columns, of the same types in every part, also in one that the model could not answer."""
    texts, decision = pl.List(pl.String), pl.Float64 if predictor.task == "regression" else pl.String
    columns = [
        pl.Series("prediction_id", [one.prediction_id or None for one in answers], dtype=pl.String),
        pl.Series("decision", [one.decision for one in answers], dtype=decision),
        pl.Series("rung", [one.rung for one in answers], dtype=pl.String),
        pl.Series("reasons", [one.reasons for one in answers], dtype=texts),
        pl.Series("warnings", [one.warnings for one in answers], dtype=texts),
    ]
    if predictor.task != "multiclass":
        return pl.DataFrame([*columns, pl.Series("score", [one.score for one in answers], dtype=pl.Float64)])
    for name in predictor.classes:
        scores = [(one.scores or {}).get(name) for one in answers]
        columns.append(pl.Series(f"score_{name}", scores, dtype=pl.Float64))
    return pl.DataFrame(columns)


def _beside(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """A row's own columns win their names; ours are marked where both have one."""
    renamed = {name: f"outlast_{name}" for name in answers.columns if name in rows.columns}
    return rows.hstack(answers.rename(renamed))
