"""Files of rows that people bring, read in parts, and files of answers, which appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from outlast.data.sources import reading, scan
from outlast.errors import DataError, NotFound, OutlastError, RequestError, StorageError, nearest
from outlast.project.declare import Source

JSON_LINES = (".jsonl", ".ndjson")
WRITTEN = (".parquet", ".csv")


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """What is wrong with the rows of a file is said of the file."""
    rows = Source("rows", file)
    try:
        with reading(rows):
            yield
    except (DataError, NotFound, StorageError) as error:
        sentence = error.sentence.replace("Source 'rows'", str(file))
        raise type(error)(sentence, details=error.details) from error.__cause__


def scan_rows(file: Path) -> pl.LazyFrame:
    """A lazy reader of a Parquet, CSV or JSON-lines file."""
    if "*" not in str(file):
        _require_content(file)
    with naming(file):
        frame = pl.scan_ndjson(file) if file.suffix in JSON_LINES else scan(Source("rows", file), file)
        frame.collect_schema()
        return frame


def read_rows(file: Path) -> pl.DataFrame:
    """All the rows of a file."""
    with naming(file):
        return scan_rows(file).collect()


def _require_content(file: Path) -> None:
    if not file.exists():
        beside = [one.name for one in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = nearest(file.name, beside)
        raise NotFound(f"There is no file {file}: {hint if hint.startswith('did you') else 'check its path and name'}")
    if file.is_file() and not file.stat().st_size:
        raise DataError(f"{file} is an empty file: write its rows again")


def check_target(source: Path, target: Path) -> None:
    """Refuse a place that answers to the rows of `source` cannot be written to."""
    if not target.parent.is_dir():
        raise RequestError(f"Answers cannot be written to {target}: there is no folder {target.parent}; make it first")
    if target.resolve() == source.resolve():
        raise RequestError(f"Answers cannot be written over the rows they answer, {source}: give them another name")
    if target.suffix not in WRITTEN:
        raise RequestError(f"Answers cannot be written as {target.name}: expected a name ending in .parquet or .csv")


@contextmanager
def whole(target: Path) -> Iterator["Parts"]:
    """A file that is written in parts aside, then synced and renamed; after a failure nothing of it is left."""
    aside = target.with_name(f".{target.name}.part")
    parts = Parts(aside, target.suffix)
    try:
        yield parts
        parts.close()
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    except OSError as error:
        if isinstance(error, OutlastError):
            raise
        raise StorageError(f"Answers cannot be written to {target}: {error.strerror or error}") from error
    finally:
        parts.close()
        aside.unlink(missing_ok=True)


class Parts:
    """A CSV or Parquet file that grows by frames of the same columns; the first one decides their types."""

    def __init__(self, file: Path, suffix: str) -> None:
        self._file, self._suffix = file, suffix
        self._open: Any = None

    def add(self, part: pl.DataFrame) -> None:
        """Write a part after those before."""
        if self._suffix == ".csv":
            first = self._open is None
            self._open = self._open or self._file.open("wb")
            part.with_columns(pl.col("warnings").list.join("; ")).write_csv(self._open, include_header=first)
            return
        table = part.to_arrow()
        if self._open is None:
            from pyarrow import parquet

            self._open = parquet.ParquetWriter(self._file, table.schema)
        self._open.write_table(table.cast(self._open.schema))

    def close(self) -> None:
        """Write what remains; closing again does nothing."""
        if self._open is not None:
            self._open.close()
