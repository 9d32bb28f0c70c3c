"""Golden replay: example rows of training, asked the way requests are asked, must get the answers of training.

Each golden row carries its request, the facts that its lookups read (and some that they must not), its features and its
answer. The facts go through the code that takes facts in, into a store of fresh values that is thrown away afterwards;
the request goes through JSON, the decoder, lookups, functions and the model, alone and among many. Where the version
was made, answers must be equal to the last bit; elsewhere within `[serving] tolerance`, and every decision equal.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.answers import Rung
from outlast.bundle.decisions import outcomes
from outlast.bundle.frames import FEW, LookUp
from outlast.bundle.freshness import Gone
from outlast.bundle.ingest import decode_facts, update
from outlast.bundle.machine import made_here
from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.requests import LARGEST, converters
from outlast.data.schema import Field, dtype_name, dtype_of, from_json
from outlast.errors import Refused
from outlast.features.facts import RETRACTED
from outlast.project.workspace import Workspace
from outlast.storage.fresh import FreshStore, FreshValues
from outlast.types import counted, now

Row = dict[str, Any]
Ask = Callable[[list[Row]], list[Row]]
"""From requests to answers, both as JSON has them."""
_FLOAT = "$float"
_SHOWN = 3


@dataclass(frozen=True)
class Replayed:
    """How many golden rows there are, how many were asked from their facts, and where answers were others."""

    rows: int
    whole: int
    facts: int
    exact: bool
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool | None:
        """None where no row could be asked: a version of an earlier release, whose rows carry no facts."""
        return False if self.differences else None if self.whole == 0 else True

    @property
    def sentence(self) -> str:
        if self.differences:
            more = len(self.differences) - _SHOWN
            return "; ".join(self.differences[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        if self.whole == 0:
            return (
                f"{counted(self.rows, 'golden row')} got the answers of training from the values once looked up, and "
                "carry no facts to look them up from, as those of earlier releases: train it again"
            )
        how = "to the last bit" if self.exact else "within the tolerance, every decision equal"
        left = f"; {counted(self.rows - self.whole, 'row')} with too many facts were left out" * (
            self.rows > self.whole
        )
        golden = counted(self.whole, "golden row")
        return f"{golden}, asked from {counted(self.facts, 'fact')}, got the answers of training {how}{left}"


def replay(predictor: Predictor, *, exact: bool | None = None) -> Replayed:
    """Ask a version its golden rows, alone and among many, from a store of their own."""
    exact = made_here(predictor.manifest) if exact is None else exact
    chosen = replayable(predictor)
    with _store() as store:
        facts = fill_golden(predictor, store, chosen)
        over = predictor.over(store)
        ask = _asking(over)
        requests = [golden["request"] for golden in chosen]
        alone = [answer for request in requests for answer in ask([request])]
        many = ask(requests * (FEW // len(requests) + 1))[: len(requests)] if requests else []
    found = [
        *compare(predictor, chosen, alone, exact=exact),
        *compare(predictor, chosen, many, exact=exact, alone=False),
        *replay_simpler(predictor, exact=exact),
    ]
    if not chosen:
        ask = _asking(predictor, _given(predictor, predictor.golden))
        answers = ask([golden["request"] for golden in predictor.golden])
        found = list(compare(predictor, predictor.golden, answers, exact=False))
    return Replayed(len(predictor.golden), len(chosen), facts, exact, tuple(dict.fromkeys(found)))


def replay_simpler(predictor: Predictor, *, exact: bool) -> list[str]:
    """Ask a version its golden rows where nothing can be looked up: what its simpler model answers otherwise."""
    if predictor.simpler_features is None:
        return []
    ask = _asking(predictor.over(Gone()))
    requests = [golden["request"] for golden in predictor.golden]
    alone = [answer for request in requests for answer in ask([request])]
    many = ask(requests * (FEW // len(requests) + 1))[: len(requests)]
    kept = [_of_simpler(golden, predictor.simpler_features) for golden in predictor.golden]
    return [
        *compare(predictor, kept, alone, exact=exact, rung="simpler"),
        *compare(predictor, kept, many, exact=exact, alone=False, rung="simpler"),
    ]


def open_proven(workspace: Workspace, digest: str, version: int) -> Predictor:
    """A version's Predictor, once its golden rows got the answers of training; Refused where they do not."""
    predictor = open_predictor(workspace, digest, version)
    done = replay(predictor)
    if done.passed is False:
        predictor.close()
        raise Refused(f"it does not give the answers of its training here: {done.sentence}")
    return predictor


def replayable(predictor: Predictor) -> list[Row]:
    """The golden rows that carry all that is needed to ask them."""
    return [golden for golden in predictor.golden if "facts" in golden or not predictor.lookups]


def fill_golden(predictor: Predictor, store: FreshStore, chosen: Iterable[Row]) -> int:
    """Take the facts of golden rows in, as a server would; how many there were."""
    count = 0
    for name, rows in facts_of_golden(chosen).items():
        read = [lookup for lookup in predictor.lookups if lookup.lookup.source.name == name]
        update(store, read, golden_frame(predictor.manifest["sources"][name], name, rows))
        count += len(rows)
    return count


def facts_of_golden(chosen: Iterable[Row]) -> dict[str, list[Row]]:
    """The facts of some golden rows by source, each once."""
    found: dict[str, dict[str, Row]] = {}
    for golden in chosen:
        for name, rows in golden.get("facts", {}).items():
            # one that comes again goes to the end: of equal keys and moments the last counts, as in its own row
            for row in rows:
                spelt = msgspec.json.encode(row).decode()
                found.setdefault(name, {}).pop(spelt, None)
                found[name][spelt] = row
    return {name: list(rows.values()) for name, rows in found.items()}


def golden_frame(source: Mapping[str, Any], name: str, rows: Sequence[Row]) -> pl.DataFrame:
    """Facts as JSON carries them, decoded as POST /facts does; numbers that JSON has no word for are put back."""
    schema = from_json(source["schema"])
    required = [*source["key"], *([source["time"]] if source["time"] else [])]
    plain = [{key: None if isinstance(value, dict) else value for key, value in row.items()} for row in rows]
    frame = decode_facts(name, schema, required, plain, mark=RETRACTED)
    for column in {key for row in rows for key, value in row.items() if isinstance(value, dict)}:
        values = frame[column].to_list()
        for index, row in enumerate(rows):
            if isinstance(row.get(column), dict):
                values[index] = float(row[column][_FLOAT])
        frame = frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))
    return frame


def golden_fact(row: Mapping[str, Any]) -> Row:
    """A source's row as a golden row carries it: what says nothing is left out."""
    said = {name: value for name, value in row.items() if value is not None and (name != RETRACTED or value)}
    return {name: {_FLOAT: repr(value)} if _odd(value) else value for name, value in said.items()}


def compare(
    predictor: Predictor,
    chosen: Sequence[Row],
    said: Sequence[Row],
    *,
    exact: bool,
    alone: bool = True,
    rung: Rung = "full",
) -> Iterator[str]:
    """A sentence for each answer that is not that of training.

    Features are held to every bit among many rows too. The scores of a fitted model are not: linear algebra adds in
    another order there, and the tolerance has to do.
    """
    allowed = predictor.contract.serving.tolerance
    tolerance = 0.0 if exact else allowed
    for number, (golden, answer) in enumerate(zip(chosen, said, strict=True)):
        where = f"golden row {number}{'' if rung == 'full' else f', by the {rung} model,'}"
        if answer["rung"] != rung:
            yield f"{where} is answered by the {answer['rung']}: {'; '.join(answer['reasons'])}"
            continue
        yield from _features(where, golden, answer, tolerance)
        expected, decision = _expected(predictor, golden)
        found = _scores(predictor, answer)
        near = tolerance if "answer" in golden and alone else allowed
        if not all(_near(one, other, near) for one, other in zip(expected, found, strict=True)):
            yield f"{where} has the scores {_said(found)} and had {_said(expected)} in training"
        elif predictor.task != "regression" and answer["decision"] != decision:
            yield f"{where} is decided '{answer['decision']}' and was '{decision}' in training"


def answers_of(predictor: Predictor, chosen: Sequence[Row]) -> list[Row]:
    """What golden rows get from their facts, each alone, here and now: scores as they are shown, and the decision."""
    with _store() as store:
        fill_golden(predictor, store, chosen)
        return _answers(predictor, predictor.over(store), chosen)


def simpler_answers_of(predictor: Predictor) -> list[Row]:
    """What golden rows get from the simpler model; nothing where the version has none."""
    return [] if predictor.simpler_features is None else _answers(predictor, predictor.over(Gone()), predictor.golden)


def _answers(predictor: Predictor, over: Predictor, chosen: Sequence[Row]) -> list[Row]:
    ask = _asking(over)
    said = [answer for golden in chosen for answer in ask([golden["request"]])]
    return [{"scores": _scores(predictor, answer), "decision": answer["decision"]} for answer in said]


def _of_simpler(golden: Row, features: Sequence[str]) -> Row:
    return {**golden["simpler"], "features": {name: golden["features"][name] for name in features}}


@contextmanager
def _store() -> Iterator[FreshValues]:
    with TemporaryDirectory(prefix="outlast-replay-") as folder:
        store = FreshValues(Path(folder) / "fresh.db")
        try:
            yield store
        finally:
            store.close()


def _asking(predictor: Predictor, look_up: LookUp | None = None) -> Ask:
    def ask(rows: list[Row]) -> list[Row]:
        sent = msgspec.json.decode(msgspec.json.encode(rows))
        answers = predictor.predict(sent, at=now(), look_up=look_up)
        found: list[Row] = msgspec.json.decode(msgspec.json.encode(answers))
        return found

    return ask


def _given(predictor: Predictor, rows: Sequence[Row]) -> LookUp:
    """Instead of looking anything up: what golden rows say was found."""
    fields = [Field(name, dtype_name(t)) for one in predictor.lookups for name, t in one.schema.items()]
    convert = converters(fields)

    def find(asks: pl.DataFrame, at: pl.Series) -> list[pl.DataFrame]:
        columns = {}
        for field in fields:
            to, _ = convert[field.name]
            values = [row["features"][field.name] for row in rows] * (asks.height // len(rows))
            plain = [None if value is None else to(value) for value in values]
            columns[field.name] = pl.Series(plain, dtype=dtype_of(field.dtype))
        return [pl.DataFrame(columns)]

    return find


def _features(where: str, golden: Row, answer: Row, tolerance: float) -> Iterator[str]:
    if "features" not in answer:
        return
    found = {**answer["asks"], **answer["features"]}
    for name, expected in golden["features"].items():
        if not _near(expected, found[name], tolerance):
            yield f"{where} has '{name}' {found[name]!r} and had {expected!r} in training"


def _expected(predictor: Predictor, golden: Row) -> tuple[list[float], Any]:
    """What the Predictor answered in training, else what the evaluation's scores come to."""
    if "answer" in golden:
        return golden["answer"]["scores"], golden["answer"]["decision"]
    scores = golden["scores"]
    decision = None if predictor.task == "regression" else predictor.decision(scores, golden["features"])
    return scores[1:] if predictor.task == "binary" else scores, decision


def _scores(predictor: Predictor, answer: Row) -> list[float]:
    if predictor.task == "multiclass":
        return [answer["scores"][name] for name in outcomes(predictor.task, predictor.classes)]
    return [answer["score"]]


def _near(expected: Any, found: Any, tolerance: float) -> bool:
    if isinstance(expected, bool | str | None) or isinstance(found, bool | str | None) or tolerance == 0.0:
        return bool(expected == found)
    return bool(abs(expected - found) <= tolerance * max(1.0, abs(expected)))


def _odd(value: Any) -> bool:
    return isinstance(value, float) and not (math.isfinite(value) and abs(value) <= LARGEST)


def _said(scores: Sequence[float]) -> str:
    return ", ".join(repr(one) for one in scores)
