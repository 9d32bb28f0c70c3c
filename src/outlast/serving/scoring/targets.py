"""Where answers go: a file that appears whole or not at all, or a Delta table that gets all of a run's rows at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from outlast.data.sources import matched
from outlast.errors import RequestError, StorageError
from outlast.serving.files import Place
from outlast.serving.scoring.kept import Kept
from outlast.storage.whole import put

_FILES = (".parquet", ".csv", ".jsonl", ".ndjson")
_TABLE = ".delta"
_KINDS = ".parquet, .csv, .ndjson or .delta"


def check_target(source: Place, target: Place) -> None:
    """Refuse a place that answers to the rows of `source` cannot be written to."""
    if isinstance(target, str):
        if not urlsplit(target).path.rstrip("/").endswith(_TABLE):
            raise RequestError(
                f"Answers cannot be written to {target}: expected the address of a Delta table, NAME.delta"
            )
        return
    if not target.parent.is_dir():
        raise RequestError(f"Answers cannot be written to {target}: there is no folder {target.parent}; make it first")
    if isinstance(source, Path) and _reads(source, target.resolve()):
        raise RequestError(f"Answers cannot be written over the rows they answer, {source}: give them another name")
    if target.suffix not in (*_FILES, _TABLE):
        raise RequestError(f"Answers cannot be written as {target.name}: expected a name ending in {_KINDS}")
    if target.suffix in _FILES and target.is_dir():
        raise RequestError(f"Answers cannot be written to {target}: it is a folder; give the name of a file")


def _reads(source: Path, target: Path) -> bool:
    """Whether a target is among the rows, or would be the next time."""
    files = {file.resolve() for file in matched(source.absolute())}
    return target in files or target == source.resolve() or (source.is_dir() and target.parent == source.resolve())


def publish(kept: Kept, target: Place, once: str) -> None:
    """Make the whole of a run appear at its target; doing it again changes nothing."""
    files = [kept.part(number) for number in kept.parts()]
    if str(target).rstrip("/").endswith(_TABLE):
        _append(files, str(target), once)
        return
    assert isinstance(target, Path), "an address is a table's"
    aside = kept.folder / f"whole{target.suffix}"
    with kept.writing():
        _WRITERS[target.suffix](files, aside)
        put(aside, target)


def _parquet(files: list[Path], aside: Path) -> None:
    from pyarrow import parquet

    first = pl.read_parquet(files[0]).to_arrow()
    with parquet.ParquetWriter(aside, first.schema) as writer:
        writer.write_table(first)
        for file in files[1:]:
            writer.write_table(pl.read_parquet(file).to_arrow().cast(first.schema))


def _csv(files: list[Path], aside: Path) -> None:
    with aside.open("wb") as stream:
        for number, file in enumerate(files):
            rows = pl.read_parquet(file)
            lists = [name for name, dtype in rows.schema.items() if dtype == pl.List(pl.String)]
            rows.with_columns(pl.col(lists).list.join("; ")).write_csv(stream, include_header=number == 0)


def _lines(files: list[Path], aside: Path) -> None:
    with aside.open("wb") as stream:
        for file in files:
            pl.read_parquet(file).write_ndjson(stream)


_WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _lines, ".ndjson": _lines}


def _append(files: list[Path], target: str, once: str) -> None:
    """One commit, which bears the run's name: a reader sees all of its rows or none, and they are there once."""
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        try:
            if DeltaTable(target).transaction_version(once) is not None:
                return
        except TableNotFoundError:
            pass  # the first run makes it
        marks = CommitProperties(app_transactions=[Transaction(once, 1)])
        write_deltalake(target, _batches(files), mode="append", schema_mode="merge", commit_properties=marks)
    except (DeltaError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise StorageError(
            f"Answers cannot be written to {target}: {reason}; see to the place, and the same command goes on"
        ) from error


def _batches(files: list[Path]) -> Any:
    import pyarrow as pa

    schema = pl.read_parquet(files[0]).to_arrow().schema

    def each() -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from pl.read_parquet(file).to_arrow().cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, each())
