"""Tables by path and by URL: the contract suite, and what Delta, disks and other processes do to them."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from outlast.errors import StorageError
from outlast.storage.checks.tables import CHECKS, Make
from outlast.storage.tables import Tables


@pytest.mark.parametrize("kind", ["path", "url"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Make], None], kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder, with é" if kind == "path" else tmp_path / "plain"
    check(lambda: Tables(str(folder) if kind == "path" else folder.as_uri()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_in_an_object_store(check: Callable[[Make], None], object_store: Any) -> None:
    check(lambda: Tables("s3://bucket/team/tables/", object_store.options))
    if check.__name__ != "check_bad_names_are_refused":
        assert object_store.signers() == "the-key"


def test_every_table_carries_its_format(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.append("appended", pl.DataFrame({"n": [1]}))
    tables.replace("replaced", pl.DataFrame({"n": [1]}))
    tables.replace("replaced", pl.DataFrame({"m": [1]}))
    tables.compact("replaced")
    for name in tables.names():
        assert DeltaTable(tables.address(name)).metadata().configuration["outlast.format"] == "1"


def test_a_table_of_a_later_format_is_refused(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    schema = pl.DataFrame({"n": [1]}).to_arrow().schema
    DeltaTable.create(tables.address("t"), schema, configuration={"outlast.format": "2"}, raise_if_key_not_exists=False)
    with pytest.raises(StorageError, match="Table 't' has format 2, this Outlast reads up to 1: use the Outlast"):
        tables.scan("t")
    with pytest.raises(StorageError, match="has format 2"):
        tables.append("t", pl.DataFrame({"n": [1]}))


def test_any_delta_reader_reads_a_table_by_its_address(tmp_path: Path) -> None:
    tables = Tables(tmp_path.as_uri())
    tables.append("a/b", pl.DataFrame({"n": [1]}))
    write_deltalake(tables.address("a/b"), pl.DataFrame({"n": [2]}), mode="append")
    assert pl.read_delta(tables.address("a/b"))["n"].sort().to_list() == [1, 2]
    assert tables.scan("a/b").collect().height == 2


def test_a_folder_delta_fails_on_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("50%20", "[old]", "a^b", "a|b"):
        with pytest.raises(StorageError, match="Delta fails on a path with any of"):
            Tables(str(tmp_path / name))


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = Tables("kept")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    tables.append("t", pl.DataFrame({"n": [1]}))
    assert (tmp_path / "kept" / "t.delta").is_dir()


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.append("t", pl.DataFrame({"n": [1]}))
    (tmp_path / "t.delta" / "_delta_log" / f"{1:020}.json").write_text("no json")
    with pytest.raises(StorageError, match="Could not read table 't'"):
        tables.scan("t")
    with pytest.raises(StorageError, match="Could not append to table 't'"):
        tables.append("t", pl.DataFrame({"n": [1]}))


def test_an_absent_object_store_is_told(object_store: Any) -> None:
    options = {**object_store.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "max_retries": "0"}
    tables = Tables("s3://bucket/tables", options)
    for act in (tables.exists, tables.scan, lambda name: tables.append(name, pl.DataFrame({"n": [1]}))):
        with pytest.raises(StorageError, match=r"table 't': .*check the disk or the address"):
            act("t")
    with pytest.raises(StorageError, match="Could not list the tables"):
        tables.names()


FILLS = """
import resource, sys
import polars as pl
from outlast.errors import StorageError
from outlast.storage.tables import Tables
tables = Tables(sys.argv[1])
tables.append("t", pl.DataFrame({"n": [1]}), once="a")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    tables.append("t", pl.DataFrame({"n": range(100_000)}), once="b")
except StorageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
tables.append("t", pl.DataFrame({"n": [2]}), once="b")
"""


def test_a_full_disk_is_told_and_changes_nothing(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", FILLS, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Could not append to table 't'" in result.stdout
    assert Tables(str(tmp_path)).scan("t").collect()["n"].sort().to_list() == [1, 2]


APPENDER = """
import sys
import polars as pl
from outlast.storage.tables import Tables
tables, name = Tables(sys.argv[1]), sys.argv[2]
for n in range(int(sys.argv[3])):
    tables.append("t", pl.DataFrame({"n": [n] * 100, "by": [name] * 100}), once=f"{name}-{n}")
    print(n, flush=True)
"""


def _appender(folder: Path, name: str, times: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPENDER, str(folder), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_append_while_one_reads_and_compacts(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    processes = [_appender(tmp_path, name, 15) for name in "ab"]
    seen = 0
    while any(process.poll() is None for process in processes):
        if not tables.exists("t"):
            continue
        height = tables.scan("t").select(pl.len()).collect().item()
        assert height % 100 == 0, "a reader sees whole appends"
        assert height >= seen
        seen = height
        tables.compact("t")
    assert [process.wait() for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    counts = tables.scan("t").group_by("by", "n").len().collect()
    assert counts.height == 30
    assert set(counts["len"]) == {100}


def test_a_killed_appender_leaves_whole_appends_and_can_repeat_them(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    for lines in (1, 2, 4, 7, 11):
        process = _appender(tmp_path, "a", 1000)
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        answered += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        counts = tables.scan("t").group_by("n").len().sort("n").collect()
        assert set(counts["len"]) == {100}
        assert counts["n"].to_list() == list(range(counts.height))
        assert counts.height > max(int(line) for line in answered if line.endswith("\n"))


def _elsewhere(act: Callable[[], object]) -> None:
    """Done by another thread, which opens tables for itself as another process does."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_a_table_that_was_read_here_is_as_others_left_it(tmp_path: Path) -> None:
    tables, two = Tables(str(tmp_path)), pl.DataFrame({"n": [2], "m": [2]})
    tables.append("t", pl.DataFrame({"n": [1]}))
    assert tables.scan("t").collect().height == 1
    _elsewhere(lambda: tables.append("t", two, once="a"))
    assert tables.took("t", "a")
    assert sorted(tables.scan("t").collect().rows()) == [(1, None), (2, 2)]
    _elsewhere(lambda: tables.replace("t", two))
    _elsewhere(lambda: tables.forget("t"))
    assert tables.scan("t").collect().rows() == [(2, 2)]
    tables.append("t", two)
    assert tables.scan("t").collect().height == 2


def test_a_table_made_anew_is_not_the_one_that_was_read(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    for number in range(3):
        tables.append("t", pl.DataFrame({"n": [number]}))
    assert tables.scan("t").collect().height == 3

    def anew() -> None:
        tables.delete("t")
        for number in range(5):
            tables.append("t", pl.DataFrame({"other": [str(number)]}))

    _elsewhere(anew)
    assert sorted(tables.scan("t").collect()["other"]) == list("01234")
    tables.delete("t")
    assert not tables.exists("t")
