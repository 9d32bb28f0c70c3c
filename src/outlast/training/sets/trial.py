"""The examples of a set, each computed both ways, and the proof that its functions give a row what is that row's."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from outlast.bundle.requests import MISSING, converters
from outlast.data.schema import Field, dtype_name
from outlast.errors import FeatureError, NotFound, OutlastError, nearest
from outlast.features.calling import with_functions
from outlast.features.invariance import SAMPLE, prove, same
from outlast.journal.sources import Sources
from outlast.project.workspace import Workspace
from outlast.storage.fresh import FreshValues
from outlast.training.dataset import questions, with_lookups
from outlast.training.explain import Behind
from outlast.training.sets.example import Example, how_to, read_example, require_columns
from outlast.training.sets.found import Declared, Found, declared_sets
from outlast.training.sets.schemas import ask_fields, schema_of, shown_schema, sources_of
from outlast.training.sets.ways import Sourced, Ways
from outlast.types import counted, micros, moment

NEAR = 1e-9


@dataclass(frozen=True)
class Difference:
    """A column that is not as `wanted`, or not the same both ways, and the facts behind it."""

    column: str
    at: datetime
    wanted: bool
    expected: Any = None
    offline: Any = None
    online: Any = None
    facts: list[Behind] = field(default_factory=list)


@dataclass(frozen=True)
class Tried:
    """An example: at how many moments both ways agree, or what is wrong."""

    example: int
    passed: bool
    moments: int = 0
    differences: list[Difference] = field(default_factory=list)
    fault: str | None = None


@dataclass(frozen=True)
class Proof:
    """On which rows a set's functions were tried, and how many; or what was found."""

    rows: str
    count: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of testing a set."""

    name: str
    place: str
    passed: bool
    examples: list[Tried]
    functions: list[str]
    proofs: list[Proof]
    notes: list[str]
    how_to: str | None = None


def try_sets(workspace: Workspace, here: Path, name: str | None = None) -> tuple[list[Outcome], list[str]]:
    """Test one set or all of a workspace's; and a sentence for each project whose sets could not be read."""
    found = declared_sets(workspace, here)
    return [_test(workspace, one) for one in _wanted(found, workspace, name)], found.unread


def _wanted(found: Found, workspace: Workspace, name: str | None) -> list[Declared]:
    if name is None:
        return found.sets
    chosen = [one for one in found.sets if one.shared.name == name]
    if not chosen:
        known = {one.shared.name for one in found.sets}
        more = f"; {found.unread[0]}" if found.unread else ""
        raise NotFound(f"No code in {workspace.root} declares a set named '{name}': {nearest(name, known)}{more}")
    return chosen


def _test(workspace: Workspace, declared: Declared) -> Outcome:
    shared = declared.shared
    names = [getattr(one, "__name__", "function") for one in shared.functions]
    examples, broken = _read(declared)
    rows: list[pl.DataFrame] = []
    notes: list[str] = []
    tried = broken
    if examples:
        tried = sorted([*broken, *_try_all(workspace, declared, examples, rows, notes)], key=lambda one: one.example)
    proofs = _proofs(declared, rows, examples) if shared.functions else []
    passed = all(one.passed for one in tried) and not any(proof.fault for proof in proofs)
    return Outcome(shared.name, declared.place, passed, tried, names, proofs, notes, None if tried else how_to(shared))


def _read(declared: Declared) -> tuple[list[Example], list[Tried]]:
    """The examples that can be read, and the others with what is wrong."""
    examples, broken = [], []
    for number in range(1, len(declared.shared.examples) + 1):
        try:
            examples.append(read_example(declared.shared, number))
        except FeatureError as error:
            broken.append(Tried(number, passed=False, fault=error.sentence))
    return examples, broken


def _try_all(
    workspace: Workspace, declared: Declared, examples: Sequence[Example], rows: list[pl.DataFrame], notes: list[str]
) -> Iterator[Tried]:
    """Each example in turn; `rows` takes what functions see of them, `notes` what had to be assumed."""
    try:
        sources = _sources(workspace, declared, examples, notes)
        ways = Ways(declared.shared, sources, ask_fields(workspace, declared, [one.asks for one in examples]))
    except OutlastError as error:
        yield from (Tried(one.number, passed=False, fault=error.sentence) for one in examples)
        return
    for example in examples:
        try:
            require_columns(example, declared.shared, sources)
            yield _try(ways, example, rows)
        except OutlastError as error:
            yield Tried(example.number, passed=False, fault=error.sentence)


def _sources(workspace: Workspace, declared: Declared, examples: Sequence[Example], notes: list[str]) -> Sourced:
    found = {}
    for name, source in sources_of(declared.shared).items():
        schema = schema_of(workspace, declared, source)
        if schema is None:
            given = [row for example in examples for row in example.facts.get(name, [])]
            lookups = [lookup for lookup in declared.shared.lookups if lookup.source.name == name]
            schema = shown_schema(source, lookups, given)
            notes.append(f"Source '{name}' cannot be read here: its types are those that the examples show")
        found[name] = (source, schema)
    return found


def _try(ways: Ways, example: Example, rows: list[pl.DataFrame]) -> Tried:
    facts, asked = ways.facts(example), ways.asked(example)
    moments = ways.moments(example, facts)
    offline = ways.offline(asked, facts, moments)
    with TemporaryDirectory(prefix="outlast-example-") as folder:
        store = FreshValues(Path(folder) / "fresh.db")
        try:
            online = ways.online(store, asked, facts, moments)
        finally:
            store.close()
    rows.append(offline)
    whole, served = ways.complete(offline[:1]), ways.complete(online[:1])
    parted = [*_parted(offline, online, moments), *_parted(whole.drop(offline.columns), served, moments)]
    wrong = list(_unlike(example, whole, served))
    wrong += [one for one in parted if one.column not in {other.column for other in wrong}]
    told = [_with_facts(ways, one, asked, facts) for one in wrong]
    return Tried(example.number, not told, len(moments), told)


def _unlike(example: Example, whole: pl.DataFrame, served: pl.DataFrame) -> Iterator[Difference]:
    """Columns that are not what the example gives."""
    offline, online = whole.row(0, named=True), served.row(0, named=True)
    for name, given in example.gives.items():
        if name not in offline:
            computed = [column for column in offline if column not in example.asks]
            raise FeatureError(
                f"Example {example.number} gives '{name}', which the set does not compute: {nearest(name, computed)}"
            )
        expected = _as(whole.schema[name], given)
        if not near(expected, offline[name]) or not near(expected, online[name]):
            yield Difference(name, example.at, True, given, offline[name], online[name])


def _parted(whole: pl.DataFrame, served: pl.DataFrame, moments: Sequence[int]) -> Iterator[Difference]:
    """The first moment, of each column, at which the two ways give different bits."""
    for name in whole.columns:
        for at, one, other in zip(moments, whole[name].to_list(), served[name].to_list(), strict=False):
            if not same(one, other):
                yield Difference(name, moment(at), False, None, one, other)
                break


def _with_facts(ways: Ways, one: Difference, asked: list[Any], facts: Mapping[str, pl.DataFrame]) -> Difference:
    behind = ways.behind(one.column, asked, facts, micros(one.at))
    return replace(one, facts=behind)


def near(expected: Any, found: Any) -> bool:
    """Whether a value is the one expected: floats to nine digits, everything else exactly.

    >>> near(12.5, 12.500000000001), near(1, 1.0), near(None, 0.0), near(float("nan"), float("nan"))
    (True, True, False, True)
    """
    if isinstance(expected, int | float) and isinstance(found, float):
        return math.isclose(expected, found, rel_tol=NEAR) or (expected != expected and found != found)
    return bool(expected == found)


def _as(dtype: pl.DataType, given: Any) -> Any:
    """An expected value as the column has it: text that is a moment, a day or a length becomes one."""
    if given is None or not dtype.is_temporal():
        return given
    to, _ = converters([Field("value", dtype_name(dtype))])["value"]
    value = to(given)
    return given if value is MISSING else value


def _proofs(declared: Declared, rows: list[pl.DataFrame], examples: Sequence[Example]) -> list[Proof]:
    """The functions on rows of the examples, and on real questions of every model that reads the set."""
    functions, found = declared.shared.functions, []
    if rows:
        known = pl.concat(rows)
        said = f"{counted(len(rows), 'example')} at {counted(known.height, 'moment')}"
        found.append(_proof(said, functions, known))
    for project in declared.users:
        said = f"questions of {project.model.name}"
        try:
            sources = Sources(project)
            asked = questions(project, sources)
            few = asked.gather_every(max(1, asked.height // SAMPLE)).head(SAMPLE)
            found.append(_proof(said, functions, with_lookups(project, sources, few)))
        except OutlastError as error:
            found.append(Proof(f"{said} cannot be read: {error.sentence}"))
    return found


def _proof(said: str, functions: Sequence[Any], known: pl.DataFrame) -> Proof:
    try:
        return Proof(said, prove(functions, known, with_functions(functions, known)))
    except OutlastError as error:
        return Proof(said, known.height, error.sentence)
