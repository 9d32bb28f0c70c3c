"""One window's facts to one value, which the online path and the last resort of the history share."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from outlast.errors import FeatureError
from outlast.features.arithmetic import OPERATIONS
from outlast.features.compiled import Output


def general_value(output: Output, facts: pl.DataFrame) -> pl.Series:
    """A general aggregation over the facts of one window, in order of moment and key."""
    assert output.general is not None
    try:
        return facts.select(output.general.alias("value"))["value"].cast(output.dtype)
    except pl.exceptions.PolarsError as error:
        raise FeatureError(f"Feature '{output.name}' cannot be computed over {facts.height} facts: {error}") from None


def aggregation(output: Output) -> Callable[[Sequence[Any]], Any]:
    """The arithmetic of an output, over the measures of one window."""
    operation = OPERATIONS[output.operation]
    if output.operation in ("std", "var"):
        return lambda values: operation(values, output.how.ddof)
    if output.operation == "quantile":
        return lambda values: operation(values, output.how.share, output.how.between)
    return operation


def typed(output: Output, values: list[Any]) -> pl.Series:
    """Computed values as a column of the output's type."""
    if output.dtype.is_temporal():
        return pl.Series(output.name, values, dtype=pl.Int64).cast(output.dtype)
    if output.dtype == pl.Float64:
        return pl.Series(output.name, values, dtype=pl.Float64, strict=False)
    if output.dtype in (pl.Categorical, pl.Enum):
        return pl.Series(output.name, values, dtype=pl.String).cast(output.dtype)
    return pl.Series(output.name, values, dtype=output.dtype)
