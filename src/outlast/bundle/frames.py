"""From decoded rows to the frame the model sees: what was asked, what was looked up, what functions add."""

from collections.abc import Callable, Sequence
from copy import copy
from itertools import chain, islice
from typing import Any

import polars as pl

from outlast.bundle.alone import Row, way_alone
from outlast.bundle.format import Bundle
from outlast.bundle.freshness import Freshness, reading_store
from outlast.bundle.lookups import read_back
from outlast.bundle.requests import Asked
from outlast.bundle.steps import ended
from outlast.data import schema as schemas
from outlast.data.many_cells import rows_cells
from outlast.data.profile import Profile, cells, row_cells
from outlast.data.schema import Field, dtype_of
from outlast.features.entities import speller
from outlast.features.functions import apply
from outlast.features.online import Reader, frame_of, read_all, reader
from outlast.project.loader import load_model
from outlast.storage.fresh import FreshStore

_TRIP = 100
"""Rows that are looked up in one trip to the store; more would be held in memory at once."""
FEW, MANY = 64, 10_000
"""Up to so many rows are quicker one by one than in a frame: where the model needs one, and where it does not."""
LookUp = Callable[[pl.DataFrame, pl.Series], Sequence[pl.DataFrame]]
"""From asks and their moments to the columns of each lookup, in order: over a history instead of fresh values."""


class Frames:
    """From decoded rows to the frame the model sees, by the code of the bundle."""

    def __init__(
        self, bundle: Bundle, asks: list[Field], profile: Profile, *, store: FreshStore, simpler: bool = False
    ) -> None:
        manifest = bundle.manifest
        known = {name: schemas.from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
        self.lookups = [] if simpler else [read_back(kept, known) for kept in manifest["lookups"]]
        self._store = store
        self.freshness = Freshness(self.lookups, store, bundle.contract.serving.stale, required="simpler" in manifest)
        base = {ask.name: dtype_of(ask.dtype) for ask in asks}
        self._base = pl.Schema(base)
        self._schema = pl.Schema({**base, **{name: t for one in self.lookups for name, t in one.schema.items()}})
        places = {ask.name: index for index, ask in enumerate(asks)}
        self._spellers = [speller(lookup, base, places) for lookup in self.lookups]
        self._readers = self._over(store)
        declared = load_model(bundle.code, leased=True).functions
        part = manifest["simpler"] if simpler else manifest
        self._functions = [declared[place] for place in part["places"]] if simpler else declared
        self.order: list[str] = part["features"]
        self._alone = way_alone(self._schema, self._functions, self.order)
        self._profile = profile
        self._counts = not simpler
        self._rows_cells = self._celling() if self._counts else _no_cells

    def over(self, store: FreshStore) -> "Frames":
        """The same, looking up in another store, of whose facts no age is asked."""
        other = copy(self)
        other._store, other.freshness = store, Freshness(self.lookups, store, {}, required=False)
        other._readers = other._over(store)
        return other

    def _over(self, store: FreshStore) -> list[tuple[Callable[[list[Any]], str | None], Reader]]:
        return [(spell, reader(one, store)) for spell, one in zip(self._spellers, self.lookups, strict=True)]

    def build(self, asked: list[Asked], look_up: LookUp | None = None) -> pl.DataFrame:
        """The frame of some rows; of a single one, twice that row, as `steady` has it."""
        if look_up is not None:
            return self.complete(self._looked_up(asked * 2 if len(asked) == 1 else asked, look_up))
        rows = self._read(asked)
        return self.complete(frame_of(self._schema, rows * 2 if len(rows) == 1 else rows))

    def rows(self, asked: list[Asked], most: int) -> list[Row] | None:
        """The rows as plain values, when there are so many at most and no frame is needed for them."""
        if self._alone is None or len(asked) > most:
            return None
        alone = self._alone
        rows = [alone(row) for row in self._read(asked)]
        ended("functions")
        return rows

    def of_rows(self, rows: list[Row]) -> pl.DataFrame:
        """The frame of such rows; of a single one, twice that row."""
        assert self._alone is not None
        return frame_of(self._alone.schema, rows * 2 if len(rows) == 1 else rows)

    def _read(self, asked: list[Asked]) -> list[list[Any]]:
        """Each row's asks, and after them what was looked up."""
        each = len(self._readers)
        if not each:
            return [list(one.values) for one in asked]
        rows = []
        for begin in range(0, len(asked), _TRIP):
            some = asked[begin : begin + _TRIP]
            asks = [(read, spell(one.values), one.decide_at) for one in some for spell, read in self._readers]
            with reading_store():
                found = iter(read_all(self._store, asks))
            rows += [[*one.values, *chain.from_iterable(islice(found, each))] for one in some]
        ended("look up")
        return rows

    def _looked_up(self, asked: list[Asked], look_up: LookUp) -> pl.DataFrame:
        base = frame_of(self._base, [one.values for one in asked])
        found = look_up(base, pl.Series([one.decide_at for one in asked], dtype=pl.Int64))
        return pl.concat([base, *found], how="horizontal")

    def complete(self, rows: pl.DataFrame) -> pl.DataFrame:
        known = rows
        for function in self._functions:
            rows = rows.hstack(apply(function, known))
        ended("functions")
        return rows if rows.columns == self.order else rows.select(self.order)

    def cells(self, rows: Sequence[Sequence[Any]], frame: pl.DataFrame | None) -> list[bytes]:
        """The cells that each row falls into, by the full model; `frame` is the same rows, if they are in one."""
        if self._counts and frame is not None and len(rows) > FEW:
            return [bytes(row) for row in cells(self._profile, frame)]
        return self._rows_cells(rows)

    def _celling(self) -> Callable[[Sequence[Sequence[Any]]], list[bytes]]:
        if self._alone is not None:
            return rows_cells(self._profile, self._alone.schema)
        one = row_cells(self._profile, self.order)
        return lambda rows: [one(row) for row in rows]


def _no_cells(rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """Of answers of a lower rung no cells are counted."""
    return [b""] * len(rows)
