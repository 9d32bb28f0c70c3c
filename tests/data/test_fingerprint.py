"""Fingerprints: equal for equal content, and without secrets."""

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from outlast.data.fingerprint import fingerprint, rows_digest
from outlast.data.sources import scan
from outlast.project.declare import Location, Source

ROWS = pl.DataFrame({"id": ["a", "b"], "x": [1.5, None]})


def taken(location: Location, query: str | None = None) -> dict[str, Any]:
    source = Source("rows", location, key="id", query=query)
    return fingerprint(source, location, scan(source, location))


def test_the_fingerprint_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    ROWS.write_parquet(file)
    os.utime(file, (1_372_680_000, 1_372_680_000))
    found = taken(file)
    assert {**found, "digest": ""} == {
        "kind": "parquet",
        "location": str(file),
        "rows": 2,
        "bytes": file.stat().st_size,
        "modified": "2013-07-01T12:00:00+00:00",
        "delta_version": None,
        "digest": "",
    }
    other = tmp_path / "other.parquet"
    other.write_bytes(file.read_bytes())
    assert taken(other)["digest"] == found["digest"]
    ROWS.head(1).write_parquet(file)
    assert taken(file)["digest"] != found["digest"]


def test_the_fingerprint_of_a_folder_covers_every_file(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "1.parquet")
    ROWS.write_parquet(tmp_path / "2.parquet")
    found = taken(tmp_path)
    assert found["rows"] == 4
    assert taken(Path(f"{tmp_path}/*.parquet"))["digest"] == found["digest"]
    ROWS.head(1).write_parquet(tmp_path / "2.parquet")
    assert taken(tmp_path)["digest"] != found["digest"]


def test_the_fingerprint_of_a_delta_table_is_its_version(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "rows", ROWS)
    first = taken(tmp_path / "rows")
    assert (first["kind"], first["rows"], first["delta_version"]) == ("delta", 2, 0)
    assert first["bytes"] > 0
    assert datetime.fromisoformat(first["modified"]).tzinfo == UTC
    write_deltalake(tmp_path / "rows", ROWS, mode="append")
    second = taken(tmp_path / "rows")
    assert (second["rows"], second["delta_version"]) == (4, 1)
    assert second["digest"] != first["digest"]


def test_the_fingerprint_of_a_query_is_its_rows_in_any_order(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        connection.execute("CREATE TABLE facts (id TEXT, x REAL)")
        connection.executemany("INSERT INTO facts VALUES (?, ?)", [("a", 1.5), ("b", None), ("c", 3.0)])
    connection.close()
    address = f"sqlite:///{tmp_path / 'rows.db'}"
    up = taken(address, "SELECT * FROM facts ORDER BY id")
    down = taken(address, "SELECT * FROM facts ORDER BY id DESC")
    assert up == down
    assert (up["kind"], up["rows"], up["bytes"], up["modified"]) == ("sql", 3, None, None)
    assert taken(address, "SELECT * FROM facts WHERE id <> 'a'")["digest"] != up["digest"]


def make_rows() -> pl.DataFrame:
    return ROWS


def test_the_fingerprint_of_a_function_names_it() -> None:
    found = taken(make_rows)
    assert (found["kind"], found["rows"]) == ("function", 2)
    assert found["location"].endswith("make_rows")
    assert found["digest"] == rows_digest(ROWS.reverse().lazy())


DIFFERENT: list[Callable[[], pl.DataFrame]] = [
    lambda: pl.DataFrame({"a": ["x", None]}),
    lambda: pl.DataFrame({"a": ["x", ""]}),
    lambda: pl.DataFrame({"a": ["x", "\\N"]}),
    lambda: pl.DataFrame({"a": ["x", "NaN"]}),
    lambda: pl.DataFrame({"b": ["x", None]}),
    lambda: pl.DataFrame({"a": ["x\nx"]}),
    lambda: pl.DataFrame({"a": ["x", "x"]}),
    lambda: pl.DataFrame({"a": [1, None]}),
    lambda: pl.DataFrame({"a": [1.0, None]}),
    lambda: pl.DataFrame({"a": [1.0, float("nan")]}),
    lambda: pl.DataFrame({"a": [1.0, 0.1 + 0.2]}),
    lambda: pl.DataFrame({"a": [1.0, 0.3]}),
    lambda: pl.DataFrame({"a": [datetime(2013, 7, 1, tzinfo=UTC)]}),
    lambda: pl.DataFrame({"a": [datetime(2013, 7, 1, 0, 0, 0, 1, tzinfo=UTC)]}),
    lambda: pl.DataFrame({"a": [b"x", None]}),
    lambda: pl.DataFrame({"a": [[1], None]}),
    lambda: pl.DataFrame({"a": [[], [1]]}),
    lambda: pl.DataFrame({"a": [{"b": 1}]}),
    lambda: pl.DataFrame({"a": [{"b": None}]}),
    lambda: pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Categorical)}),
    lambda: pl.DataFrame({"a": []}),
    lambda: pl.DataFrame(),
]


def test_rows_that_differ_have_digests_that_differ() -> None:
    digests = [rows_digest(make().lazy()) for make in DIFFERENT]
    assert len(set(digests)) == len(digests)
    assert digests == [rows_digest(make().lazy()) for make in DIFFERENT]


@pytest.mark.parametrize("ordered", [True, False])
def test_the_order_of_rows_counts_only_when_asked(ordered: bool) -> None:
    assert (rows_digest(ROWS.lazy(), ordered=ordered) != rows_digest(ROWS.reverse().lazy(), ordered=ordered)) is ordered


def test_a_digest_does_not_depend_on_how_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"n": range(1000), "word": ["a,b", 'c"d'] * 500})
    whole = rows_digest(frame.lazy())
    monkeypatch.setattr("outlast.data.fingerprint.PIECE", 7)
    assert rows_digest(pl.concat([frame[:333], frame[333:]], rechunk=False).lazy()) == whole
