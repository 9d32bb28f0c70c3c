"""Reading CSV as people write it: with commas, semicolons or tabs, and several spellings of nothing."""

from pathlib import Path

import polars as pl

from outlast.errors import DataError

NOTHING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null")
"""What stands for a missing value: what pandas takes for one, in short."""

LOOK_AHEAD = 100_000
"""How many rows decide a column's type; a later value that does not fit is an error, never a silent null."""


def scan(name: str, place: str, options: dict[str, str]) -> pl.LazyFrame:
    """A lazy reader of one CSV file, or of all that a path with stars matches; dates and moments are recognised."""
    try:
        frame = pl.scan_csv(
            place,
            separator=separator(place),
            null_values=list(NOTHING),
            infer_schema_length=LOOK_AHEAD,
            try_parse_dates=True,
            storage_options=options or None,
        )
        empty = frame.head(1).collect().is_empty()
    except pl.exceptions.NoDataError:
        empty = True
    if empty:
        raise DataError(f"Source '{name}' has no rows: {place} holds a header at most; write its rows again")
    return frame


def separator(place: str) -> str:
    """The character between values, told from the suffix or from a header without commas.

    >>> separator("https://example.com/rows.tsv")
    '\\t'
    """
    if place.lower().endswith((".tsv", ".tsv.gz")):
        return "\t"
    header = _header(Path(place))
    if "," in header:
        return ","
    return next((mark for mark in (";", "\t") if mark in header), ",")


def _header(path: Path) -> str:
    if not path.is_file() or path.suffix.lower() != ".csv":
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(65_536)
