"""Functions on one row without a frame: a function's expressions as steps over plain values, where that is provable.

Polars is made for many rows and takes a tenth of a millisecond to begin. What a function does to one row is mostly a
dozen additions and comparisons. Here they are done one by one, with the bits that Polars gives the row among many
others; where that cannot be promised, nothing is compiled and the frame stays.
"""

from outlast.features.rowwise.rows import RowFunction, row_function
from outlast.features.rowwise.tracing import traced
from outlast.features.rowwise.values import row_values

__all__ = ["RowFunction", "row_function", "row_values", "traced"]
