"""Sources of every kind, on real files, databases and functions."""

import gzip
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from deltalake import write_deltalake

from outlast.data.csvfiles import separator
from outlast.data.sources import collect, kind_of, scan, shown
from outlast.errors import DataError, NotFound, OutlastError, StorageError
from outlast.project.declare import Location, Source

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
ROWS = pl.DataFrame({"id": ["a", "b", "c"], "at": [NOON, NOON, None], "x": [1.5, None, 3.0]})
CSV = "id,at,x\na,2013-07-01T12:00:00Z,1.5\nb,2013-07-01T14:00:00+02:00,NA\nc,,3.0\n"


def source(location: Location, **more: Any) -> Source:
    return Source("rows", location, **{"key": "id", "time": "at", **more})


def parquet(folder: Path) -> Location:
    ROWS.write_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def parquet_address(folder: Path) -> Location:
    ROWS.write_parquet(folder / "with space.parquet")
    return (folder / "with space.parquet").as_uri()


def parquet_folder(folder: Path) -> Location:
    ROWS.head(1).write_parquet(folder / "1.parquet")
    ROWS.tail(2).write_parquet(folder / "2.parquet")
    return folder


def parquet_stars(folder: Path) -> Location:
    return Path(str(parquet_folder(folder)), "*.parquet")


def csv(folder: Path) -> Location:
    (folder / "rows.csv").write_text(CSV)
    return str(folder / "rows.csv")


def csv_with_semicolons(folder: Path) -> Location:
    (folder / "rows.csv").write_text("\ufeff" + CSV.replace(",", ";"), encoding="utf-8")
    return folder / "rows.csv"


def csv_with_tabs(folder: Path) -> Location:
    (folder / "rows.tsv").write_text(CSV.replace(",", "\t"))
    return folder / "rows.tsv"


def csv_compressed(folder: Path) -> Location:
    (folder / "rows.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    return folder / "rows.csv.gz"


def delta(folder: Path) -> Location:
    write_deltalake(folder / "table", ROWS)
    return folder / "table"


def delta_address(folder: Path) -> Location:
    return Path(str(delta(folder))).as_uri()


def polars_function(folder: Path) -> Location:
    return lambda: ROWS


def lazy_function(folder: Path) -> Location:
    return lambda: ROWS.lazy()


def pandas_function(folder: Path) -> Location:
    return lambda: ROWS.to_pandas()


def pandas_function_with_index(folder: Path) -> Location:
    return lambda: ROWS.to_pandas().set_index("id")


def arrow_function(folder: Path) -> Location:
    return lambda: ROWS.to_arrow()


PLACES = [
    parquet,
    parquet_address,
    parquet_folder,
    parquet_stars,
    csv,
    csv_with_semicolons,
    csv_with_tabs,
    csv_compressed,
    delta,
    delta_address,
    polars_function,
    lazy_function,
    pandas_function,
    pandas_function_with_index,
    arrow_function,
]


@pytest.mark.parametrize("place", PLACES)
def test_the_same_rows_come_from_every_place(tmp_path: Path, place: Callable[[Path], Location]) -> None:
    location = place(tmp_path)
    asked = source(location)
    frame = collect(asked, scan(asked, location))
    assert (
        frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).select("id", "at", "x").sort("id").equals(ROWS)
    )


def test_what_decides_is_where_a_source_is_bound_and_not_its_default(tmp_path: Path) -> None:
    assert scan(source("nowhere.parquet"), csv(tmp_path)).collect()["id"].to_list() == ["a", "b", "c"]


def test_a_csv_file_keeps_types_that_show_late(tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("id,day,n\n" + "a,2013-07-01,1\n" * 5_000 + "b,2013-07-02,2.5\n")
    frame = scan(source("late.csv", time="day"), tmp_path / "late.csv").collect()
    assert frame.schema == {"id": pl.String, "day": pl.Date, "n": pl.Float64}
    assert frame.row(-1) == ("b", date(2013, 7, 2), 2.5)


@pytest.mark.parametrize(("name", "mark"), [("a.tsv", "\t"), ("a.csv", ","), ("s3://bucket/a.csv", ",")])
def test_the_separator_of_a_file_that_is_not_here(name: str, mark: str) -> None:
    assert separator(name) == mark


def sqlite(folder: Path) -> str:
    with sqlite3.connect(folder / "rows.db") as connection:
        connection.execute("CREATE TABLE facts (id TEXT, at TIMESTAMP, day DATE, x NUMERIC, note TEXT)")
        facts = [
            ("a", "2013-07-01 12:00:00.000000", "2013-07-01", 1, "2013"),
            ("b", "2013-07-01T14:00:00+02:00", "2013-07-02", 2.5, "at 12:30"),
            ("c", None, None, None, None),
            ("d", "2013-07-01 12:00", "2013-07-02", 7, "zoneless"),
            ("e", "2013-07-01T12:00:00.5Z", "2013-07-02", 7, "Zulu"),
        ]
        connection.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", facts)
    connection.close()
    return f"sqlite:///{folder / 'rows.db'}"


def test_a_query_on_sqlite_gives_moments_and_numbers(tmp_path: Path) -> None:
    asked = source(sqlite(tmp_path), query="SELECT * FROM facts WHERE note IS NULL OR note <> ':x 100%' ORDER BY id")
    frame = collect(asked, scan(asked, asked.location))
    assert frame["at"].to_list() == [NOON, NOON, None, NOON, NOON + timedelta(seconds=0.5)]
    assert frame["day"].to_list()[:3] == [date(2013, 7, 1), date(2013, 7, 2), None]
    assert frame["x"].to_list() == [1.0, 2.5, None, 7.0, 7.0]
    assert frame["note"].to_list()[:3] == ["2013", "at 12:30", None]


def test_a_query_in_pieces_agrees_on_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.data.database.PIECE", 1)
    asked = source(sqlite(tmp_path), query="SELECT * FROM facts ORDER BY id DESC")
    assert collect(asked, scan(asked, asked.location))["x"].to_list() == [7.0, 7.0, None, 2.5, 1.0]


def test_a_query_cannot_write(tmp_path: Path) -> None:
    asked = source(sqlite(tmp_path), query="DELETE FROM facts RETURNING id, at")
    with pytest.raises(DataError, match="readonly database"):
        scan(asked, asked.location)
    assert scan(source(asked.location, query="SELECT * FROM facts"), asked.location).collect().height == 5


def test_a_query_on_postgresql(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE facts (id uuid, at timestamptz, x numeric(9, 2), tags jsonb, raw bytea, n int[])"
        )
        connection.execute(
            "INSERT INTO facts VALUES (gen_random_uuid(), '2013-03-10 01:30-05', 1.25, '{\"a\": 1}', 'x', '{1,2}'),"
            " (gen_random_uuid(), '2013-07-01 12:00+00', NULL, NULL, NULL, NULL)"
        )
        connection.execute("CREATE SEQUENCE counter")
        connection.execute("ALTER ROLE CURRENT_USER SET TimeZone TO 'America/New_York'")
    text = "SELECT *, n[1:2] AS part, x::int AS whole FROM facts WHERE id::text NOT LIKE '%:q%' ORDER BY at"
    asked = source(postgres_url, query=text)
    frame = collect(asked, scan(asked, postgres_url))
    assert frame["at"].to_list() == [datetime(2013, 3, 10, 6, 30, tzinfo=UTC), NOON]
    assert frame["x"].to_list() == [1.25, None]
    assert frame["whole"].to_list() == [1, None]
    assert frame["tags"].to_list() == ['{"a":1}', None]
    assert frame["id"].str.len_chars().to_list() == [36, 36]
    with pytest.raises(DataError, match="read-only transaction"):
        scan(source(postgres_url, query="SELECT nextval('counter')"), postgres_url)


def empty(folder: Path) -> Source:
    (folder / "empty.parquet").touch()
    return source(folder / "empty.parquet")


def header_only(folder: Path) -> Source:
    (folder / "rows.csv").write_text("id,at,x\n")
    return source(folder / "rows.csv")


def corrupt(folder: Path) -> Source:
    (folder / "rows.parquet").write_bytes(b"PAR1 not at all")
    return source(folder / "rows.parquet")


def cut_short(folder: Path) -> Source:
    ROWS.write_parquet(folder / "rows.parquet")
    whole = (folder / "rows.parquet").read_bytes()
    (folder / "rows.parquet").write_bytes(whole[: len(whole) // 2])
    return source(folder / "rows.parquet")


def uneven(folder: Path) -> Source:
    (folder / "rows.csv").write_text("id,at,x\na,2013-07-01,1\nb,2013-07-01,2,3,4\n")
    return source(folder / "rows.csv")


def not_text(folder: Path) -> Source:
    (folder / "rows.csv").write_bytes(b"id,at,x\n\xff\xfe,2013-07-01,1\n")
    return source(folder / "rows.csv")


def misspelt(folder: Path) -> Source:
    parquet(folder)
    return source(folder / "row.parquet")


def nothing_there(folder: Path) -> Source:
    return source(folder / "deeper" / "rows.parquet")


def unknown_suffix(folder: Path) -> Source:
    (folder / "rows.xlsx").write_bytes(b"x")
    return source(folder / "rows.xlsx")


def plain_folder(folder: Path) -> Source:
    return source(folder)


def no_delta(folder: Path) -> Source:
    (folder / "_delta_log").mkdir()
    return source(folder)


def without_key(folder: Path) -> Source:
    return source(parquet(folder), key="idd")


def without_time(folder: Path) -> Source:
    return source(parquet(folder), time="when")


def time_of_words(folder: Path) -> Source:
    return source(parquet(folder), time="id")


def event_of_words(folder: Path) -> Source:
    return source(parquet(folder), time="at", event="id")


def without_event(folder: Path) -> Source:
    return source(parquet(folder), time="at", event="happened")


def no_query(folder: Path) -> Source:
    return source(sqlite(folder))


def query_on_a_file(folder: Path) -> Source:
    return source(parquet(folder), query="SELECT 1")


def broken_query(folder: Path) -> Source:
    return source(sqlite(folder), query="SELEC * FROM facts")


def unknown_table(folder: Path) -> Source:
    return source(sqlite(folder), query="SELECT * FROM nowhere")


def no_rows_from_query(folder: Path) -> Source:
    return source(sqlite(folder), query="PRAGMA cache_size = 1000")


def same_name_twice(folder: Path) -> Source:
    return source(sqlite(folder), query="SELECT id, id FROM facts")


def missing_database(folder: Path) -> Source:
    return source(f"sqlite:///{folder / 'none.db'}", query="SELECT 1")


def unreachable_database(folder: Path) -> Source:
    return source("postgresql://me:s3cret@127.0.0.1:1/db", query="SELECT 1")


def unreadable_address(folder: Path) -> Source:
    return source("postgresql://me:s3cret@host:port/db", query="SELECT 1")


def unknown_dialect(folder: Path) -> Source:
    return source("snowflake://me:s3cret@host/db", query="SELECT 1")


def missing_driver(folder: Path) -> Source:
    return source("mysql+pymysql://me:s3cret@host/db", query="SELECT 1")


def read_from_a_socket() -> pl.DataFrame:
    raise ConnectionError("the line is dead")


def returns_nothing() -> None:
    return None


def returns_a_mixture() -> Any:
    frame = ROWS.to_pandas().astype({"id": object})
    frame.loc[1, "id"] = 7
    return frame


def mixed_pandas(folder: Path) -> Source:
    return source(returns_a_mixture)


def raising(folder: Path) -> Source:
    return source(read_from_a_socket)


def not_a_frame(folder: Path) -> Source:
    return source(returns_nothing)


CASES: list[tuple[Callable[[Path], Source], type[OutlastError], str]] = [
    (empty, DataError, "is an empty file, {}/empty.parquet: write its rows again"),
    (header_only, DataError, "has no rows: {}/rows.csv holds a header at most; write its rows again"),
    (corrupt, DataError, "cannot be read: parquet: File out of specification"),
    (cut_short, DataError, "cannot be read: parquet: File out of specification"),
    (uneven, DataError, "cannot be read: found more fields than defined in 'Schema'; mend the rows"),
    (not_text, DataError, "cannot be read: invalid utf-8 sequence; mend the rows, or write them again"),
    (misspelt, NotFound, "is missing: there is no row.parquet in {}; did you mean 'rows.parquet'?"),
    (nothing_there, NotFound, "is missing: there is no folder {}/deeper; check the path"),
    (unknown_suffix, DataError, "is a file with .xlsx, which is not known: give a .parquet or .csv file"),
    (plain_folder, DataError, "is the folder {}, which holds neither Delta nor Parquet: give a"),
    (no_delta, NotFound, "is missing: there is no Delta table at {}"),
    (without_key, DataError, "has no column 'idd', which it names as its key: did you mean 'id'?"),
    (without_time, DataError, "has no column 'when', which it names as its time: known: at, id, x"),
    (time_of_words, DataError, "has String in its time column 'id', and moments were expected: write them as 2013"),
    (event_of_words, DataError, "has String in its event column 'id', and moments were expected: write them as"),
    (without_event, DataError, "has no column 'happened', which it names as its event: known: at, id, x"),
    (no_query, DataError, "names a database and asks it nothing: give Source('rows', …, query='SELECT …')"),
    (query_on_a_file, DataError, "has a query, and {}/rows.parquet is no database: give an address such as"),
    (broken_query, DataError, 'refuses: near "SELEC": syntax error; mend query='),
    (unknown_table, DataError, "refuses: no such table: nowhere; mend query="),
    (no_rows_from_query, DataError, "has a query that returns no rows: write one that begins with SELECT"),
    (same_name_twice, DataError, "selects two columns named 'id': name one otherwise with AS"),
    (missing_database, NotFound, "is missing: there is no SQLite file {}/none.db; check the path"),
    (unreachable_database, StorageError, "cannot reach postgresql://127.0.0.1/db: "),
    (unreadable_address, DataError, "has an address that cannot be read as one: write postgresql://"),
    (unknown_dialect, DataError, "names a snowflake database, for which no SQLAlchemy dialect is installed: install"),
    (missing_driver, DataError, "names a mysql database, whose driver is not installed (No module named 'pymysql')"),
    (raising, DataError, "read_from_a_socket() raised ConnectionError: the line is dead"),
    (mixed_pandas, DataError, "got a pandas frame whose values cannot be kept: "),
    (not_a_frame, DataError, "returns_nothing(): return a Polars, pandas or PyArrow frame of its rows"),
]


@pytest.mark.parametrize(("make", "kind", "sentence"), CASES, ids=[case[0].__name__ for case in CASES])
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], Source], kind: type[OutlastError], sentence: str
) -> None:
    asked = make(tmp_path)
    with pytest.raises(kind) as caught:
        collect(asked, scan(asked, asked.location))
    said = str(caught.value)
    assert said.startswith("Source 'rows' ")
    assert sentence.format(tmp_path) in said
    assert "\n" not in said
    assert "s3cret" not in said


def test_a_function_that_refuses_in_a_sentence_keeps_it() -> None:
    def refuse() -> pl.DataFrame:
        raise NotFound("The feed 'tower' is not there: start it first")

    with pytest.raises(NotFound, match=r"^The feed 'tower'"):
        scan(source(refuse), refuse)


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("postgresql://me:s3cret@host:5432/db?sslpassword=s3cret", "postgresql://host:5432/db"),
        ("s3://key:s3cret@bucket/rows.parquet", "s3://bucket/rows.parquet"),
        (Path("/data/rows@2.parquet"), "/data/rows@2.parquet"),
    ],
)
def test_a_location_is_shown_without_credentials(location: Location, text: str) -> None:
    assert shown(location) == text


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("s3://bucket/rows.parquet", "parquet"),
        ("https://example.com/rows.csv?version=2", "csv"),
        ("s3://bucket/table", "delta"),
        ("gs://bucket/table.delta/", "delta"),
    ],
)
def test_an_address_says_by_its_suffix_what_it_holds(location: str, kind: str) -> None:
    assert kind_of(source(location), location) == kind


def test_an_address_with_an_unknown_suffix_is_refused() -> None:
    with pytest.raises(DataError, match=r"is a file with \.json, which is not known"):
        kind_of(source("s3://bucket/rows.json"), "s3://bucket/rows.json")
