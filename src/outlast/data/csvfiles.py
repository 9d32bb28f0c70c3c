"""Reading CSV as people write it: with commas, semicolons or tabs, and several spellings of nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from outlast.errors import DataError

NOTHING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null")
"""What stands for a missing value: what pandas takes for one, in short."""

LOOK_AHEAD = 100_000
"""How many rows decide a column's type; a later value that does not fit is an error, never a silent null."""

_FIRST = 100


def scan(name: str, place: str, options: dict[str, str]) -> pl.LazyFrame:
    """A lazy reader of one CSV file, or of all that a path with stars matches; dates and moments are recognised.

    Types are told here, once: left to Polars, every later reading would tell them again, which takes seconds a time.
    """
    read = _Reader(place, separator(place), options or None)
    try:
        frame = read.rows(schema_overrides=_types(read), infer_schema_length=0)
        empty = frame.head(1).collect().is_empty()
    except pl.exceptions.NoDataError:
        empty = True
    if empty:
        raise DataError(f"Source '{name}' has no rows: {place} holds a header at most; write its rows again")
    return frame


@dataclass(frozen=True)
class _Reader:
    """Where the rows are and how they are written."""

    place: str
    separator: str
    options: dict[str, str] | None

    def rows(self, **how: Any) -> pl.LazyFrame:
        return pl.scan_csv(
            self.place,
            separator=self.separator,
            null_values=list(NOTHING),
            storage_options=self.options,
            **how,
        )


def _types(read: _Reader) -> dict[str, pl.DataType]:
    """Each column's type, as Polars tells it from the first rows with `try_parse_dates`, in a tenth of the time.

    Trying every text as a date is what is slow. A column with a word that is no date is text for good, so the first
    words of each are tried, and all of them only where those are dates.
    """
    types = dict(read.rows(infer_schema_length=LOOK_AHEAD).collect_schema())
    texts = [name for name, dtype in types.items() if dtype == pl.String]
    if not texts:
        return types
    words = read.rows(infer_schema=False).select(texts).head(LOOK_AHEAD).collect()
    for name in texts:
        known = words[name].drop_nulls()
        first = known.head(_FIRST).unique()
        if len(first) and _told(first) != pl.String:
            types[name] = _told(known.unique())
    return types


def _told(words: pl.Series) -> pl.DataType:
    """The type of these texts as Polars tells it: text, or dates or moments when all of them are."""
    written = words.to_frame("words").write_csv(quote_style="always").encode()
    return pl.scan_csv(written, try_parse_dates=True, infer_schema_length=None).collect_schema()["words"]


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
