"""Checking a source's rows against what they were and what the contract says they must be.

What the contract says blocks; what merely changed since the stored schema warns, unless nothing sensible can follow: a
column that is gone, of another type, or empty throughout. Columns under `warn_only` never block.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from outlast.data.keys import repeated
from outlast.data.schema import Field, Schema, dtype_of, is_text, missing
from outlast.errors import ContractError, nearest
from outlast.project.contract import RulesSection
from outlast.types import counted

_ALL = -1.0  # the limit of a test that fails when every row meets it
NULLS_GREW_BY = 0.05
NULLS_GREW_TIMES = 2.0
"""A share of missing values that grew by more than five points, and doubled, is worth a word."""


DUPLICATES = "duplicate keys"
"""The rule that a key breaks which comes more than once."""


@dataclass(frozen=True)
class Violation:
    """One rule that rows break: on which column, how often, one row that shows it, and whether it blocks."""

    column: str
    rule: str
    count: int
    example: dict[str, Any]
    blocks: bool
    sentence: str


@dataclass(frozen=True)
class _Test:
    """A rule as a condition on rows; `limit` rows may meet it."""

    column: str
    rule: str
    broken: pl.Expr
    blocks: bool
    sentence: str
    limit: float = 0.0


def check(
    frame: pl.LazyFrame,
    schema: Schema | None,
    rules: RulesSection | None,
    keys: tuple[str, ...],
    *,
    time: str | None = None,
    unique: bool = False,
) -> list[Violation]:
    """Every rule that the rows break, those that block first.

    The same key at another `time` is a correction, and fine; the same key and time with other values is not. With
    `unique`, as for questions, no key may come twice.
    """
    rules = rules or RulesSection()
    columns = frame.collect_schema()
    found = list(_shape(columns, schema, rules))
    found += _conditions(frame, columns, list(_tests(columns, schema, rules)))
    found += _duplicates(frame, columns, keys, time, unique)
    kept = [replace(v, blocks=v.blocks and not set(v.column.split(", ")) <= set(rules.warn_only)) for v in found]
    return sorted(kept, key=lambda v: not v.blocks)


def _shape(columns: pl.Schema, schema: Schema | None, rules: RulesSection) -> Iterator[Violation]:
    wanted = dict.fromkeys([*(schema.names if schema else []), *rules.ranges, *rules.nulls])
    for name in wanted:
        if name not in columns:
            hint = nearest(name, columns.names())
            said = f"Column '{name}' is missing ({hint}): write it again, or train on what is there"
            yield Violation(name, "missing column", 1, {}, True, said)
    if schema is None:
        return
    for name in columns:
        field = schema.field(name)
        if field is None:
            said = f"Column '{name}' is new: nothing reads it until a model names it"
            yield Violation(name, "extra column", 1, {}, False, said)


def _tests(columns: pl.Schema, schema: Schema | None, rules: RulesSection) -> Iterator[_Test]:
    for name, limit in rules.nulls.items():
        if name in columns:
            said = f"at most {limit:.1%} are allowed; mend the feed, or change data.….nulls.{name}"
            yield _Test(name, "nulls", missing(name, columns[name]), True, said, limit)
    for name, bounds in rules.ranges.items():
        if name in columns:
            yield _range(name, columns[name], bounds)
    for field in schema.fields if schema else ():
        if field.name in columns:
            yield from _against(field, columns[field.name], rules)


def _range(name: str, dtype: pl.DataType, bounds: list[float]) -> _Test:
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ContractError(f"The range of '{name}' is {bounds}: give the lowest and the highest value, as [0, 6000]")
    if not dtype.is_numeric():
        said = f"a range of numbers was expected, and the column holds {dtype}; drop the range, or cast the column"
        return _Test(name, "range", pl.col(name).is_not_null(), True, said)
    said = f"all must lie from {bounds[0]:g} to {bounds[1]:g}; mend the feed, or change data.….ranges.{name}"
    return _Test(name, "range", _outside(name, dtype, *bounds), True, said)


def _against(field: Field, dtype: pl.DataType, rules: RulesSection) -> Iterator[_Test]:
    """A column against what it was."""
    name = field.name
    yield from _emptier(field, dtype, rules)
    kind, was = _family(dtype), _family(dtype_of(field.dtype))
    if kind != was and not (kind == "integer" and was == "float"):
        said = f"it was {field.dtype} and is {dtype}; cast it back, or train on the new type"
        yield _Test(name, "type", pl.col(name).is_not_null(), True, said)
        return
    low, high = _number(field.low), _number(field.high)
    if low is not None and high is not None and dtype.is_numeric() and name not in rules.ranges:
        said = f"all lay from {low:g} to {high:g} before; see whether the unit changed"
        yield _Test(name, "range", _outside(name, dtype, low, high), False, said)
    if field.categories is not None and is_text(dtype):
        known = counted(len(field.categories), "category was", "categories were")
        said = f"{known} known before; see whether they are spelled anew"
        yield _Test(name, "categories", ~pl.col(name).cast(pl.String).is_in(field.categories), False, said)


def _emptier(field: Field, dtype: pl.DataType, rules: RulesSection) -> Iterator[_Test]:
    empty = missing(field.name, dtype)
    if field.nulls < 1:
        said = f"before, {field.nulls:.1%} were; nothing can be learnt from it: mend the feed"
        yield _Test(field.name, "empty", empty, True, said, _ALL)
    if field.name not in rules.nulls:
        limit = max(field.nulls + NULLS_GREW_BY, field.nulls * NULLS_GREW_TIMES)
        said = f"before, {field.nulls:.1%} were; look at what fills the column"
        yield _Test(field.name, "nulls", empty, False, said, limit)


def _conditions(frame: pl.LazyFrame, columns: pl.Schema, tests: list[_Test]) -> list[Violation]:
    if not tests:
        return []
    counts = [test.broken.sum().alias(str(index)) for index, test in enumerate(tests)]
    rows, *broken = frame.select(pl.len().alias("rows"), *counts).collect(engine="streaming").row(0)
    failed = [(test, int(n or 0)) for test, n in zip(tests, broken, strict=True) if _fails(test, int(n or 0), rows)]
    empty = {test.column for test, _ in failed if test.rule == "empty"}
    failed = [(test, n) for test, n in failed if test.column not in empty or test.rule == "empty"]
    return [_violation(frame, test, n, rows) for test, n in failed]


def _fails(test: _Test, count: int, rows: int) -> bool:
    if test.limit == _ALL:
        return 0 < rows == count
    return count > 0 and count > test.limit * rows


def _violation(frame: pl.LazyFrame, test: _Test, count: int, rows: int) -> Violation:
    example = frame.filter(test.broken).head(1).collect(engine="streaming").row(0, named=True)
    column, value = test.column, example[test.column]
    share = f"{count:,} of {counted(rows, 'row')} ({count / rows:.1%})"
    every = "its one row" if rows == 1 else f"all {rows:,} rows"
    words = {
        "empty": f"Column '{column}' is empty in {every}: {test.sentence}",
        "nulls": f"Column '{column}' is missing in {share}: {test.sentence}",
        "range": f"Column '{column}' is out of range in {share}, such as {_shown(value)}: {test.sentence}",
        "categories": f"Column '{column}' has an unknown category in {share}, such as {_shown(value)}: {test.sentence}",
        "type": f"Column '{column}' has another type: {test.sentence}",
    }
    rule = "nulls" if test.rule == "empty" else test.rule
    return Violation(column, rule, count, example, test.blocks, words[test.rule])


def _duplicates(
    frame: pl.LazyFrame, columns: pl.Schema, keys: tuple[str, ...], time: str | None, unique: bool
) -> list[Violation]:
    by = [*keys, *([time] if time and not unique and time not in keys else [])]
    if not keys or any(name not in columns for name in by):
        return []
    twice = repeated(frame, by)
    if twice.is_empty():
        return []
    comparable = [name for name, dtype in columns.items() if dtype != pl.Object]
    again = frame.select(comparable).join(twice.lazy(), on=by, how="semi", nulls_equal=True)
    rows = again.collect(engine="streaming")
    if not unique:
        rows = rows.unique().filter(pl.len().over(by) > 1)
    if rows.is_empty():
        return []
    return [_twice(rows.sort(by), keys, rows.select(by).n_unique(), unique)]


def _twice(rows: pl.DataFrame, keys: tuple[str, ...], count: int, unique: bool) -> Violation:
    column, example = ", ".join(keys), rows.row(0, named=True)
    which = ", ".join(f"{name}={_shown(example[name])}" for name in keys)
    if unique:
        often = f"comes more than once for {counted(count, 'key')}, such as {which}"
        said = f"Key '{column}' {often}: give each question one row"
    else:
        often = f"comes twice at the same time with different values for {counted(count, 'fact')}, such as {which}"
        said = f"Key '{column}' {often}: drop one of each, or give a correction the time it became known"
    return Violation(column, DUPLICATES, count, example, True, said)


def _shown(value: object) -> str:
    """A value as people write it: texts in quotes, moments as they are given to commands."""
    return repr(value) if isinstance(value, str) else str(value)


def _outside(name: str, dtype: pl.DataType, low: float, high: float) -> pl.Expr:
    column = pl.col(name)
    out = (column < low) | (column > high)
    return out & column.is_not_nan() if dtype.is_float() else out


def _family(dtype: pl.DataType) -> str:
    """Types between which values need not change: all whole numbers, all moments, all words."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "float"
    return "text" if is_text(dtype) else str(dtype.base_type())


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None
