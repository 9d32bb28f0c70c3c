"""The journal's tables: which columns they have, and frames of them from records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from outlast.journal.records import ActionRecord, FactRecord, LabelRecord, Prediction, decoder

SEGMENT = "segment"
_TIMES = ("at", "decide_at", "known_at")
_MOMENT = pl.Datetime("us", "UTC")
_TYPES: dict[str, pl.DataType] = {
    "version": pl.Int64(),
    "at": _MOMENT,
    "decide_at": _MOMENT,
    "known_at": _MOMENT,
    "score": pl.Float64(),
    "number": pl.Float64(),
    "reasons": pl.List(pl.String),
    "warnings": pl.List(pl.String),
    "cells": pl.Binary(),
    "place": pl.Int64(),
    "took": pl.Int64(),
}


@dataclass(frozen=True)
class Kind:
    """One kind of record: its first word in names of streams and tables, and its columns."""

    name: str
    decode: Callable[[bytes], Any]
    schema: dict[str, pl.DataType]

    def stream(self, subject: str) -> str:
        """The stream, and the table, of a model or a source."""
        return f"{self.name}/{subject}"

    def frame(self, segment: str, payloads: Sequence[bytes]) -> pl.DataFrame:
        """Records of a segment as rows; the segment's name tells what is in the table already."""
        rows = [msgspec.structs.astuple(self.decode(payload)) for payload in payloads]
        names = [name for name in self.schema if name != SEGMENT]
        columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
        series = [_series(name, columns[name], self.schema[name]) for name in names]
        return pl.DataFrame([*series, pl.Series(SEGMENT, [segment] * len(rows), dtype=pl.String)])

    def empty(self) -> pl.DataFrame:
        """No rows, with every column."""
        return pl.DataFrame(schema=self.schema)


def _kind(name: str, struct: type[msgspec.Struct]) -> Kind:
    fields = struct.__struct_fields__
    schema = {field: _TYPES.get(field, pl.String()) for field in fields} | {SEGMENT: pl.String()}
    return Kind(name, decoder(struct), schema)


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    if name in _TIMES:
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.Series(name, values, dtype=dtype)


PREDICTIONS = _kind("predictions", Prediction)
LABELS = _kind("labels", LabelRecord)
FACTS = _kind("facts", FactRecord)
SHADOWS = Kind("shadows", PREDICTIONS.decode, PREDICTIONS.schema)
"""What challengers would have answered: nobody got it, no label belongs to it, and no window counts it."""
TAKEN_BY = "taken_by"
REPEATS = Kind("repeats", PREDICTIONS.decode, PREDICTIONS.schema | {TAKEN_BY: pl.String()})
"""Second answers to a request that another host had answered; no label belongs to them, and no window counts them.
`taken_by` is the segment that brought the first answer, where the second had been taken for it until then."""
REFUSALS = Kind("refusals", PREDICTIONS.decode, PREDICTIONS.schema)
"""Rows that got no answer, and why: no window counts them as predictions, and people may be asked instead."""
ACTIONS = _kind("actions", ActionRecord)
KINDS = (PREDICTIONS, LABELS, FACTS, SHADOWS, REPEATS, REFUSALS, ACTIONS)
