"""Row-wise arithmetic on a few rows: the bits that the row has among many, without the cost of many."""

from typing import Any

import polars as pl

FEW = 64


class FewRows(pl.DataFrame):
    """A frame of a few rows, whose expressions are computed one after the other.

    Polars hands several expressions to its threads, and waiting for them costs more than a few rows are worth: a
    `select` of two takes twice as long. The values are the same, each expression is computed as it would be alone.
    """

    def select(self, *exprs: Any, **named_exprs: Any) -> pl.DataFrame:
        return self.select_seq(*exprs, **named_exprs)

    def with_columns(self, *exprs: Any, **named_exprs: Any) -> pl.DataFrame:
        return self.with_columns_seq(*exprs, **named_exprs)


def steady(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with at least two rows: a single one is there twice, and the caller keeps the first.

    Polars takes a column of one row for a constant. It divides a constant by another as written, and a longer column
    by multiplying with the reciprocal, which differs in the last bit for one row in fourteen. Without this, a row
    asked alone would have other features than the same row in training.

    >>> one, many = pl.DataFrame({"minute": [31.0]}), pl.DataFrame({"minute": [31.0, 7.0, 1.0]})
    >>> sixtieth = pl.col("minute") / 60
    >>> steady(one).select(sixtieth).item(0, 0) == many.select(sixtieth).item(0, 0)
    True
    """
    if frame.height != 1:
        return frame
    return pl.DataFrame([column.new_from_index(0, 2) for column in frame.get_columns()])
