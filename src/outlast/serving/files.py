"""Files and tables of rows that people bring, read lazily."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from outlast.data.fingerprint import files_digest, fingerprint
from outlast.data.sources import matched, reading, scan
from outlast.errors import DataError, NotFound, StorageError, nearest
from outlast.project.declare import Source

JSON_LINES = (".jsonl", ".ndjson")
Place = Path | str
"""A file, a folder or a path with stars; as text, an address."""


@contextmanager
def naming(file: Place) -> Iterator[None]:
    """What is wrong with the rows of a file is said of the file."""
    rows = Source("rows", file)
    try:
        with reading(rows):
            yield
    except (DataError, NotFound, StorageError) as error:
        sentence = error.sentence.replace("Source 'rows'", str(file))
        raise type(error)(sentence, details=error.details) from error.__cause__


def place_of(text: str) -> Place:
    """A path, or an address where it is one."""
    return text if "://" in text else Path(text)


def scan_rows(file: Place) -> pl.LazyFrame:
    """A lazy reader of Parquet, CSV or JSON lines in one or more files, or of a Delta table."""
    if isinstance(file, Path) and "*" not in str(file):
        _require_content(file)
    with naming(file):
        frame = pl.scan_ndjson(file) if is_json(file) else scan(Source("rows", file), file)
        frame.collect_schema()
        return frame


def content(file: Place, rows: pl.LazyFrame) -> tuple[int, str]:
    """How many rows there are, and a digest that is another where one of them is."""
    with naming(file):
        if isinstance(file, Path) and is_json(file):
            return int(rows.select(pl.len()).collect(engine="streaming").item()), files_digest(matched(file.absolute()))
        found = fingerprint(Source("rows", file), file, rows)
        return int(found["rows"]), str(found["digest"])


def is_json(file: Place) -> bool:
    """Whether its name says JSON lines."""
    return str(file).endswith(JSON_LINES)


def read_facts(file: Path) -> pl.DataFrame | list[dict[str, Any]]:
    """The rows of a file of facts; those in JSON are to be decoded as requests are, their moments are text."""
    rows = read_rows(file)
    return rows.to_dicts() if is_json(file) else rows


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
