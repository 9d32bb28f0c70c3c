"""Rows of a SQL query, read through SQLAlchemy in pieces; the query can read and nothing else."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa
from sqlalchemy import exc

from outlast.errors import DataError, MissingExtra, NotFound, StorageError

PIECE = 50_000
_SCHEMES = (
    "postgresql",
    "postgres",
    "sqlite",
    "mysql",
    "mariadb",
    "oracle",
    "mssql",
    "duckdb",
    "snowflake",
    "redshift",
)
_PLAIN = (bool, int, float, str, bytes, datetime, date, time, timedelta)
_MOMENT = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$"
_DAY = r"^\d{4}-\d{2}-\d{2}$"


def is_address(text: str) -> bool:
    """Whether a location is a database's address.

    >>> is_address("postgresql+psycopg://host/db"), is_address("s3://bucket/table")
    (True, False)
    """
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.partition("+")[0].lower() in _SCHEMES


def query(name: str, address: str, text: str) -> pl.DataFrame:
    """The rows of a query; `name` is what errors call their source."""
    url = _url(name, address)
    try:
        engine = sa.create_engine(url)
    except ImportError as error:
        raise _driver_missing(name, url, error) from error
    except exc.NoSuchModuleError as error:
        raise DataError(
            f"Source '{name}' names a {url.get_backend_name()} database, for which no SQLAlchemy dialect is installed: "
            "install its package, or give a PostgreSQL or SQLite address"
        ) from error
    try:
        with engine.connect() as connection:
            return _rows(name, connection, text)
    except exc.DBAPIError as error:
        raise _refused(name, url, error) from None
    except exc.ResourceClosedError:
        raise DataError(
            f"Source '{name}' has a query that returns no rows: write one that begins with SELECT"
        ) from None
    finally:
        engine.dispose()


def _url(name: str, address: str) -> sa.URL:
    given = re.sub(r"^postgres://", "postgresql://", address)
    try:
        url = sa.make_url(given)
    except (exc.ArgumentError, ValueError):
        # Not even quoted: an address that cannot be parsed may still hold a password.
        raise DataError(
            f"Source '{name}' has an address that cannot be read as one: "
            "write postgresql://user:password@host/database or sqlite:////folder/file.db"
        ) from None
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise NotFound(f"Source '{name}' is missing: there is no SQLite file {url.database}; check the path")
    return url


def _rows(name: str, connection: sa.Connection, text: str) -> pl.DataFrame:
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    # Every colon is meant as one: '12:30', a::int and [1:2] are no parameters.
    result = connection.execution_options(stream_results=True).execute(sa.text(text.replace(":", r"\:")))
    columns = _distinct(name, list(result.keys()))
    pieces = [_frame(columns, rows) for rows in result.partitions(PIECE)]
    if not pieces:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    try:
        frame = pl.concat(pieces, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"Source '{name}' has a column whose values change their type on the way ({error}): cast it in the query"
        ) from error
    return frame.with_columns(_dated(frame)) if sqlite else frame


def _distinct(name: str, columns: list[str]) -> list[str]:
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"Source '{name}' selects two columns named '{twice}': name one otherwise with AS")
    return columns


def _frame(columns: list[str], rows: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [_series(column, values) for column, values in zip(columns, zip(*rows, strict=True), strict=True)]
    )


def _series(column: str, values: Sequence[Any]) -> pl.Series:
    return pl.Series(column, [_plain(value) for value in values], strict=False)


def _plain(value: Any) -> Any:
    """A driver's value as one of the types Outlast knows: numbers, text, moments."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)


def _dated(frame: pl.DataFrame) -> Iterator[pl.Expr]:
    """SQLite keeps moments as text: the columns that hold nothing else, as moments."""
    for name in frame.columns:
        if frame.schema[name] != pl.String or frame[name].null_count() == frame.height:
            continue
        if frame[name].str.contains(_MOMENT).all():
            yield _moment(pl.col(name))
        elif frame[name].str.contains(_DAY).all():
            yield pl.col(name).str.to_date(strict=True)


def _moment(text: pl.Expr) -> pl.Expr:
    """Text of the shape _MOMENT as a moment, whichever of its spellings each row chose."""
    day, clock = text.str.slice(0, 10), text.str.slice(11, 5)
    second = text.str.extract(r":\d{2}:(\d{2}(\.\d+)?)").fill_null("00")
    zone = text.str.extract(r"([+-]\d{2}:?\d{2})$").fill_null("+00:00").str.replace(":", "")
    whole = pl.concat_str(day, pl.lit("T"), clock, pl.lit(":"), second, zone)
    return pl.when(text.is_not_null()).then(whole).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us")


def _driver_missing(name: str, url: sa.URL, error: ImportError) -> Exception:
    if url.get_backend_name() == "postgresql":
        return MissingExtra.of("postgres", "psycopg", f"Source '{name}' on PostgreSQL")
    return DataError(
        f"Source '{name}' names a {url.get_backend_name()} database, whose driver is not installed ({error}): "
        "install it with pip"
    )


def _refused(name: str, url: sa.URL, error: exc.DBAPIError) -> Exception:
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    reason = (lines[0] if lines else type(error.orig).__name__)[:300]
    secrets = [url.password, *(value for key, value in url.query.items() if "pass" in key or "token" in key)]
    for secret in secrets:
        reason = reason.replace(str(secret), "***") if secret else reason
    where = f"{url.get_backend_name()}://{url.host or ''}/{(url.database or '').lstrip('/')}"
    if isinstance(error, exc.OperationalError) and ("connect" in reason.lower() or "unable to open" in reason.lower()):
        return StorageError(f"Source '{name}' cannot reach {where}: {reason}; check that the database runs")
    return DataError(f"Source '{name}' has a query that {where} refuses: {reason}; mend query=")
