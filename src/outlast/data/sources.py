"""Reading a source where it really is: Parquet, CSV, Delta, a database, or a function that returns a frame.

Files and Delta are read lazily and in pieces, so they may be larger than memory. Rows of a database or a function are
held in memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import polars as pl

from outlast.data import csvfiles, database, frames
from outlast.errors import DataError, NotFound, OutlastError, StorageError, nearest
from outlast.project.declare import Location, Source

Kind = Literal["parquet", "csv", "delta", "sql", "function"]

SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".csv.zst": "csv",
    ".delta": "delta",
}
_OFFERS = "give a .parquet or .csv file, a Delta folder, a database address with query=, or a function"


def scan(source: Source, location: Location, *, options: Mapping[str, str] | None = None) -> pl.LazyFrame:
    """A lazy reader of a source's rows, its key and time columns known to be there.

    `options` are the credentials of an object store. What goes wrong later, while rows are read, is put in a sentence
    by `collect` and `reading`.
    """
    kind = kind_of(source, location)
    with reading(source):
        if callable(location):
            frame = frames.called(source.name, shown(location), location)
        elif kind == "sql":
            frame = database.query(source.name, str(location), str(source.query)).lazy()
        else:
            frame = _opened(source, kind, address(location), dict(options or {}))
        columns = frame.collect_schema()
    _require_columns(source, location, columns)
    return frame


def kind_of(source: Source, location: Location) -> Kind:
    """Which kind of place a location is, judged by what is there and how it is called."""
    if callable(location):
        return "function"
    text = str(location)
    if database.is_address(text):
        if source.query is None:
            raise DataError(
                f"Source '{source.name}' names a database and asks it nothing: "
                f"give Source('{source.name}', …, query='SELECT …')"
            )
        return "sql"
    if source.query is not None:
        raise DataError(
            f"Source '{source.name}' has a query, and {shown(location)} is no database: "
            "give an address such as postgresql://user@host/database or sqlite:////folder/file.db, or leave query out"
        )
    place = address(location)
    return _kind_of_url(source, place) if "://" in place else _kind_of_path(source, Path(place))


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """Turns what Polars says about a source's rows into one sentence that names the source."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise DataError(_why(source, error)) from error
    except OSError as error:
        if isinstance(error, OutlastError):
            raise
        reason = error.strerror or str(error).strip().partition("\n")[0]
        raise StorageError(
            f"Source '{source.name}' cannot be read: {reason}; check that the place can be reached and read"
        ) from error


def collect(source: Source, frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a frame made from this source, read in pieces."""
    with reading(source):
        return frame.collect(engine="streaming")


def address(location: Location) -> str:
    """A path or URL as text; file:// is a path."""
    text = str(location)
    return unquote(urlsplit(text).path) if text.startswith("file://") else text


def shown(location: Location) -> str:
    """A location for people and records: without user, password and parameters."""
    if callable(location):
        return f"{getattr(location, '__module__', '')}.{getattr(location, '__qualname__', 'function')}".lstrip(".")
    text = str(location)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _kind_of_url(source: Source, place: str) -> Kind:
    path = urlsplit(place).path
    kind = _by_suffix(path)
    if kind is None and "." in path.rpartition("/")[2]:
        raise _unknown(source, path)
    return kind or "delta"


def _kind_of_path(source: Source, path: Path) -> Kind:
    if path.is_dir():
        if (path / "_delta_log").is_dir():
            return "delta"
        if any(path.glob("*.parquet")):
            return "parquet"
        raise DataError(
            f"Source '{source.name}' is the folder {path}, which holds neither Delta nor Parquet: {_OFFERS}"
        )
    if not _matches(path):
        raise NotFound(_missing(source, path))
    kind = _by_suffix(path.name)
    if kind is None or kind == "delta":
        raise _unknown(source, path.name)
    return kind


def _by_suffix(name: str) -> Kind | None:
    low = name.rstrip("/").lower()
    return next((kind for suffix, kind in SUFFIXES.items() if low.endswith(suffix)), None)


def _unknown(source: Source, name: str) -> DataError:
    ending = "".join(Path(name).suffixes[-1:]) or "no suffix"
    return DataError(f"Source '{source.name}' is a file with {ending}, which is not known: {_OFFERS}")


def _matches(path: Path) -> bool:
    """Whether a path exists, or, with a star in it, matches something."""
    return path.exists() or bool(matched(path))


def matched(path: Path) -> list[Path]:
    """The files a path stands for, sorted: itself, those in its folder, or those its stars match."""
    if path.is_dir():
        return sorted(path.glob("*.parquet"))
    if "*" in str(path):
        return sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
    return [path] if path.exists() else []


def _missing(source: Source, path: Path) -> str:
    beside = path.parent
    if not beside.is_dir():
        return f"Source '{source.name}' is missing: there is no folder {beside}; check the path, or run what makes it"
    names = [entry.name for entry in beside.iterdir() if _by_suffix(entry.name)]
    return f"Source '{source.name}' is missing: there is no {path.name} in {beside}; {nearest(path.name, names)}"


def _opened(source: Source, kind: Kind, place: str, options: dict[str, str]) -> pl.LazyFrame:
    if kind == "delta":
        return _delta(source, place, options)
    remote = "://" in place
    if not remote:
        _require_content(source, matched(Path(place)))
    if kind == "parquet":
        within = f"{place}/*.parquet" if not remote and Path(place).is_dir() else place
        return pl.scan_parquet(within, storage_options=options or None)
    return csvfiles.scan(source.name, place, options)


def _require_content(source: Source, files: list[Path]) -> None:
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"Source '{source.name}' is an empty file, {file}: write its rows again")


def _delta(source: Source, place: str, options: dict[str, str]) -> pl.LazyFrame:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(place, storage_options=options or None)
    except TableNotFoundError as error:
        raise NotFound(f"Source '{source.name}' is missing: there is no Delta table at {shown(place)}") from error
    except (DeltaError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise StorageError(f"Source '{source.name}' cannot be read at {shown(place)}: {reason}") from error
    return pl.scan_delta(table, storage_options=options or None)


def _require_columns(source: Source, location: Location, columns: pl.Schema) -> None:
    timed = [(role, name) for role, name in (("time", source.time), ("event", source.event)) if name]
    for role, names in (("key", source.keys), *((role, (name,)) for role, name in timed)):
        for name in names:
            if name not in columns:
                raise DataError(
                    f"Source '{source.name}' has no column '{name}', which it names as its {role}: "
                    f"{nearest(name, columns.names())} (read from {shown(location)})"
                )
    for role, name in timed:
        if not isinstance(columns[name], pl.Datetime | pl.Date):
            raise DataError(
                f"Source '{source.name}' has {columns[name]} in its {role} column '{name}', "
                "and moments were expected: write them as 2013-07-01T12:00:00Z, or cast them in a function"
            )


def _why(source: Source, error: pl.exceptions.PolarsError) -> str:
    said = str(error).strip().partition("\n")[0].rstrip(".")
    if isinstance(error, pl.exceptions.ColumnNotFoundError):
        return f"Source '{source.name}' has no column that is asked of it: {said}"
    return f"Source '{source.name}' cannot be read: {said}; mend the rows, or write them again"
