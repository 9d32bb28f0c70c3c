"""The keys of a source's rows: whether any comes twice, however many there are."""

from collections.abc import Sequence

import polars as pl

AT_ONCE = 10_000_000
"""How many rows' keys are counted at a time, which takes up to a gigabyte."""
_COUNT = "__count"


def rising(frame: pl.LazyFrame, names: Sequence[str]) -> bool:
    """Whether the key is one column of whole numbers that only ever grow: then no two rows have the same.

    >>> rising(pl.LazyFrame({"id": [1, 2, 5]}), ["id"]), rising(pl.LazyFrame({"id": [1, 2, 2]}), ["id"])
    (True, False)
    """
    if len(names) != 1 or not frame.collect_schema()[names[0]].is_integer():
        return False
    last: int | None = None
    for batch in frame.select(names[0]).collect_batches(maintain_order=True, engine="streaming"):
        keys = batch.to_series()
        values = keys.to_numpy()
        if keys.null_count() or not (values[1:] > values[:-1]).all():
            return False
        if len(values):
            if last is not None and values[0] <= last:
                return False
            last = int(values[-1])
    return True


def repeated(frame: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """The keys that more than one row has, each once; of many rows some of the keys are counted at a time."""
    if rising(frame, names):
        return frame.select(names).head(0).collect()
    rows = frame.select(pl.len()).collect(engine="streaming").item()
    parts = max(1, -(-rows // AT_ONCE))
    some = [frame] if parts == 1 else [_part(frame, names, part, parts) for part in range(parts)]
    return pl.concat([_repeated(one, names) for one in some])


def _part(frame: pl.LazyFrame, names: Sequence[str], part: int, parts: int) -> pl.LazyFrame:
    number = pl.sum_horizontal(pl.col(name).hash(place) // len(names) for place, name in enumerate(names))
    return frame.select(names).filter(number % parts == part)


def _repeated(frame: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    several = frame.group_by(names).len(name=_COUNT).filter(pl.col(_COUNT) > 1)
    return several.select(names).collect(engine="streaming")
