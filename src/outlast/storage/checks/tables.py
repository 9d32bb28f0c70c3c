"""What every store of tables must do, wherever it keeps them.

Each check takes `make`, a function that opens the store under test; called again within one check it opens the same
store once more, as another process would. Every check needs an empty store.
"""

import io
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from outlast.errors import DataError, NotFound, OutlastError, StorageError
from outlast.storage.tables import Tables

Make = Callable[[], Tables]
NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)


def _rows(tables: Tables, name: str, by: str = "n") -> list[dict[str, Any]]:
    return tables.scan(name).collect().sort(by).to_dicts()


def _refused(error: type[OutlastError], act: Callable[[], object]) -> str:
    try:
        act()
    except error as refusal:
        return str(refusal)
    raise AssertionError(f"expected {error.__name__}, nothing was refused")


def check_what_was_appended_is_read(make: Make) -> None:
    first = make().append("predictions/late-arrivals", pl.DataFrame({"n": [1], "at": [NOON]}))
    second = make().append("predictions/late-arrivals", pl.DataFrame({"n": [2], "at": [NOON]}))
    assert second > first
    assert make().version("predictions/late-arrivals") == second
    frame = make().scan("predictions/late-arrivals").sort("n").collect()
    assert frame.to_dicts() == [{"n": 1, "at": NOON}, {"n": 2, "at": NOON}]
    assert frame.schema["at"] == pl.Datetime("us", "UTC")


def check_an_id_is_appended_once(make: Make) -> None:
    frame = pl.DataFrame({"n": [1]})
    version = make().append("t", frame, once="segment-1")
    assert make().append("t", frame, once="segment-1") == version
    make().append("t", frame, once="segment-2")
    make().append("t", frame)
    make().append("t", frame, once="segment-1")
    assert len(_rows(make(), "t")) == 3
    assert make().took("t", "segment-2")
    assert not make().took("t", "segment-3")
    assert not make().took("absent", "segment-1")


def check_an_id_is_remembered_through_compaction_and_replacement(make: Make) -> None:
    make().append("t", pl.DataFrame({"n": [1]}), once="a")
    make().compact("t")
    make().append("t", pl.DataFrame({"n": [1]}), once="a")
    assert len(_rows(make(), "t")) == 1
    make().replace("t", pl.DataFrame({"n": [5]}))
    make().append("t", pl.DataFrame({"n": [1]}), once="a")
    assert _rows(make(), "t") == [{"n": 5}]


def check_new_columns_are_merged(make: Make) -> None:
    tables = make()
    tables.append("t", pl.DataFrame({"n": [1], "a": ["x"]}))
    tables.append("t", pl.DataFrame({"b": [2.5], "n": [2]}))
    assert _rows(tables, "t") == [{"n": 1, "a": "x", "b": None}, {"n": 2, "a": None, "b": 2.5}]


def check_a_column_without_type_waits_for_its_first_value(make: Make) -> None:
    tables = make()
    tables.append("t", pl.DataFrame({"n": [1], "late": [None]}))
    assert _rows(tables, "t") == [{"n": 1}]
    tables.append("t", pl.DataFrame({"n": [2], "late": [2.5]}))
    tables.append("t", pl.DataFrame({"n": [3], "late": [None]}))
    assert [row["late"] for row in _rows(tables, "t")] == [None, 2.5, None]


def check_a_value_that_would_change_is_refused(make: Make) -> None:
    tables = make()
    tables.append("t", pl.DataFrame({"n": [1], "small": pl.Series([1], dtype=pl.Int8), "word": ["x"], "at": [NOON]}))
    cases: list[tuple[str, Any]] = [("n", 1.5), ("small", 1000), ("word", 1), ("n", "1"), ("at", 1), ("n", True)]
    for column, value in cases:
        sentence = _refused(DataError, lambda c=column, v=value: tables.append("t", pl.DataFrame({c: [v]})))  # type: ignore[misc]
        assert f"Column '{column}' does not fit table 't'" in sentence
    tables.append("t", pl.DataFrame({"n": [2.0], "small": [7]}))
    assert [(row["n"], row["small"]) for row in _rows(tables, "t")] == [(1, 1), (2, 7)]


def check_types_come_back(make: Make) -> None:
    frame = pl.DataFrame(
        {
            "n": [1, 2],
            "f": [float("inf"), None],
            "b": [True, None],
            "raw": [b"\x00\xff", None],
            "day": [date(2013, 7, 1), None],
            "money": [Decimal("1.25"), None],
            "many": [[1, 2], []],
            "both": [{"x": 1, "y": "z"}, None],
            "local": [datetime(2013, 7, 1, 12), None],
        },
        schema_overrides={"f": pl.Float32, "money": pl.Decimal(10, 2)},
    )
    make().append("t", frame)
    assert make().scan("t").sort("n").collect().equals(frame)


def check_types_delta_lacks_are_kept_as_the_nearest(make: Make) -> None:
    frame = pl.DataFrame({"n": [200], "word": ["x"], "big": [2**40], "at": [NOON]}).with_columns(
        pl.col("n").cast(pl.UInt8),
        pl.col("word").cast(pl.Categorical),
        pl.col("big").cast(pl.UInt64),
        pl.col("at").dt.convert_time_zone("America/New_York").dt.cast_time_unit("ns"),
    )
    make().append("t", frame)
    make().append("t", frame)
    assert _rows(make(), "t") == [{"n": 200, "word": "x", "big": 2**40, "at": NOON}] * 2
    _refused(DataError, lambda: make().append("t", pl.DataFrame({"big": pl.Series([2**64 - 1], dtype=pl.UInt64)})))
    _refused(DataError, lambda: make().append("u", pl.DataFrame({"big": pl.Series([2**64 - 1], dtype=pl.UInt64)})))
    assert "column 'for'" in _refused(
        DataError, lambda: make().append("t", pl.DataFrame({"for": [timedelta(hours=1)]}))
    )
    assert "'N'" in _refused(DataError, lambda: make().append("t", pl.DataFrame({"N": [1]})))


def check_records_inside_a_column_may_grow(make: Make) -> None:
    make().append("t", pl.DataFrame({"n": [1], "cells": [{"a": 1}]}))
    make().append("t", pl.DataFrame({"n": [2], "cells": [{"a": 2, "b": 3}]}))
    make().append("t", pl.DataFrame({"n": [3, 4], "cells": [{"b": 4, "a": 5.0, "c": None}, None]}))
    expected = [{"a": 1, "b": None}, {"a": 2, "b": 3}, {"a": 5, "b": 4}, None]
    assert [row["cells"] for row in _rows(make(), "t")] == expected
    make().append("lists", pl.DataFrame({"n": [1], "many": [[]]}))
    make().append("lists", pl.DataFrame({"n": [2], "many": [[{"a": 1, "b": "x"}, {"a": 2, "b": None}]]}))
    make().append("lists", pl.DataFrame({"n": [3], "many": [[{"b": "y", "a": None}]]}))
    expected_lists = [None, [{"a": 1, "b": "x"}, {"a": 2, "b": None}], [{"a": None, "b": "y"}]]
    assert [row["many"] for row in _rows(make(), "lists")] == expected_lists
    for cells in (7, [1], {"a": "text"}, {"a": 0.5}):
        _refused(DataError, lambda cells=cells: make().append("t", pl.DataFrame({"cells": [cells]})))  # type: ignore[misc]


def check_replacing_changes_rows_and_columns(make: Make) -> None:
    make().append("t", pl.DataFrame({"n": [1], "old": ["x"]}))
    make().replace("t", pl.DataFrame({"n": ["now text"], "nothing": [None]}))
    assert _rows(make(), "t") == [{"n": "now text", "nothing": None}]
    make().replace("fresh", pl.DataFrame({"n": [1]}))
    assert _rows(make(), "fresh") == [{"n": 1}]


def check_an_absent_table_is_not_found(make: Make) -> None:
    tables = make()
    acts: list[Callable[[str], object]] = [tables.scan, tables.version, tables.compact, tables.delete]
    for act in acts:
        assert "There is no table 'absent'" in _refused(NotFound, lambda act=act: act("absent"))  # type: ignore[misc]
    assert not tables.exists("absent")


def check_names_and_deleting(make: Make) -> None:
    tables = make()
    assert tables.names() == []
    for name in ("predictions", "predictions/late-arrivals", "labels/late-arrivals"):
        tables.append(name, pl.DataFrame({"n": [1]}))
    assert make().names() == ["labels/late-arrivals", "predictions", "predictions/late-arrivals"]
    tables.delete("predictions")
    assert make().names() == ["labels/late-arrivals", "predictions/late-arrivals"]
    assert not make().exists("predictions")
    assert make().exists("predictions/late-arrivals")
    make().append("predictions", pl.DataFrame({"other": ["x"]}))
    assert _rows(make(), "predictions", "other") == [{"other": "x"}]


def check_bad_names_are_refused(make: Make) -> None:
    for name in ("", "/etc", "../up", "a/../b", "a//b", "a/", "_delta_log", "a b", "a.delta/b", ".hidden"):
        assert "cannot name a table" in _refused(StorageError, lambda name=name: make().exists(name))  # type: ignore[misc]


def check_compaction_keeps_rows_and_readers(make: Make) -> None:
    tables = make()
    for n in range(12):
        tables.append("t", pl.DataFrame({"n": [n]}))
    reader = tables.scan("t")
    tables.compact("t")
    tables.append("t", pl.DataFrame({"n": [99]}))
    assert reader.collect()["n"].sort().to_list() == list(range(12))
    assert tables.scan("t").collect()["n"].sort().to_list() == [*range(12), 99]
    tables.replace("t", pl.DataFrame({"n": [0]}))
    assert reader.collect().height == 12


def check_a_table_is_copied_by_its_files_at_one_version(make: Make) -> None:
    tables = make()
    tables.append("from/here", pl.DataFrame({"n": [1]}), once="a")
    tables.append("from/here", pl.DataFrame({"n": [2]}))
    found = tables.pinned("from/here")
    tables.append("from/here", pl.DataFrame({"n": [3]}))
    tables.compact("from/here")
    for file in found.files:
        with tables.opened("from/here", file) as (stream, size):
            data = stream.read()
        assert len(data) == size
        make().put("to", file, io.BytesIO(data))
    assert [row["n"] for row in _rows(make(), "to")] == [1, 2]
    assert make().version("to") == found.version
    make().append("to", pl.DataFrame({"n": [1]}), once="a")
    make().append("to", pl.DataFrame({"n": [4]}))
    assert [row["n"] for row in _rows(make(), "to")] == [1, 2, 4]
    assert "no file of a table" in _refused(StorageError, lambda: make().put("to", "../x", io.BytesIO(b"")))


def check_no_rows_are_a_table_too(make: Make) -> None:
    make().append("t", pl.DataFrame({"n": [1]}).clear())
    assert make().scan("t").collect().schema == {"n": pl.Int64}
    make().compact("t")
    assert "no column with a type" in _refused(DataError, lambda: make().append("u", pl.DataFrame({"n": [None]})))
    assert not make().exists("u")


def check_writers_at_once_lose_nothing(make: Make) -> None:
    """Three writers begin the same table at the same moment, each adding a column of its own and a shared id."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(4):
                make().append("t", pl.DataFrame({"n": [n], name: [n]}))
                make().append("t", pl.DataFrame({"n": [-1 - n]}), once=f"shared-{n}")
        except OutlastError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    rows = make().scan("t").collect()
    assert sorted(rows["n"].to_list()) == sorted([0, 1, 2, 3] * 3 + [-1, -2, -3, -4])
    assert all(sorted(rows[name].drop_nulls().to_list()) == [0, 1, 2, 3] for name in "abc")


CHECKS: list[Callable[[Make], None]] = [
    check_what_was_appended_is_read,
    check_an_id_is_appended_once,
    check_an_id_is_remembered_through_compaction_and_replacement,
    check_new_columns_are_merged,
    check_a_column_without_type_waits_for_its_first_value,
    check_a_value_that_would_change_is_refused,
    check_types_come_back,
    check_types_delta_lacks_are_kept_as_the_nearest,
    check_records_inside_a_column_may_grow,
    check_replacing_changes_rows_and_columns,
    check_an_absent_table_is_not_found,
    check_names_and_deleting,
    check_bad_names_are_refused,
    check_compaction_keeps_rows_and_readers,
    check_a_table_is_copied_by_its_files_at_one_version,
    check_no_rows_are_a_table_too,
    check_writers_at_once_lose_nothing,
]
