"""What tells one state of a source from another: where it was, how much, since when, and a digest of its content."""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from outlast.data.dvc import dvc_hash
from outlast.data.schema import dtype_name
from outlast.data.sources import address, kind_of, matched, reading, shown
from outlast.errors import DataError
from outlast.project.declare import Location, Source
from outlast.types import digest_of, moment

PIECE = 50_000


def fingerprint(
    source: Source, location: Location, frame: pl.LazyFrame, *, options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The fingerprint of a source as it is now, as plain values: equal digests mean equal rows.

    Local files are told apart by their bytes, Delta tables by their version, everything else by its rows: of a
    database and a function in any order, of a remote file in its own.
    """
    kind = kind_of(source, location)
    with reading(source):
        known = {
            "kind": kind,
            "location": shown(location),
            "rows": frame.select(pl.len()).collect(engine="streaming").item(),
            "bytes": None,
            "modified": None,
            "delta_version": None,
        }
        if kind == "delta":
            return {**known, **_delta(address(location), dict(options or {}))}
        if kind in ("parquet", "csv") and "://" not in address(location):
            place = Path(address(location))
            return {**known, **_files(matched(place)), **_tracked(place)}
        return {**known, "digest": rows_digest(frame, ordered=kind in ("parquet", "csv"))}


def rows_digest(frame: pl.LazyFrame, *, ordered: bool = False) -> str:
    """A digest of column names, types and rows; the order of rows counts only when `ordered`."""
    columns = frame.collect_schema()
    spelled = frame.select(_spelled(name, dtype) for name, dtype in columns.items())
    digest = hashlib.sha256(digest_of([[name, str(dtype)] for name, dtype in columns.items()]).encode())
    if not columns:
        return digest.hexdigest()
    rows = spelled if ordered else spelled.sort(pl.all(), nulls_last=True)
    for piece in rows.collect_batches(chunk_size=PIECE, maintain_order=True, engine="streaming"):
        digest.update(piece.write_csv(include_header=False, null_value="\\N", quote_style="non_numeric").encode())
    return digest.hexdigest()


def _spelled(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype.is_nested():
        return pl.struct(column).struct.json_encode().alias(name)
    try:
        dtype_name(dtype)
    except DataError:
        return column.cast(pl.String)
    return column.cast(pl.String) if dtype.base_type() in (pl.Categorical, pl.Enum) else column


def files_digest(files: list[Path]) -> str:
    """A digest of what is in files, and of how they are called where there are more than one."""
    digests = {os.path.relpath(file, files[0].parent): _content(file) for file in files}
    return next(iter(digests.values())) if len(files) == 1 else digest_of(digests)


def _files(files: list[Path]) -> dict[str, Any]:
    states = [file.stat() for file in files]
    newest = max(state.st_mtime_ns for state in states)
    return {
        "bytes": sum(state.st_size for state in states),
        "modified": moment(newest // 1000).isoformat(),
        "digest": files_digest(files),
    }


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _tracked(place: Path) -> dict[str, Any]:
    found = dvc_hash(place.resolve())
    return {} if found is None else {"dvc": found}


def _delta(place: str, options: dict[str, str]) -> dict[str, Any]:
    from deltalake import DeltaTable

    table = DeltaTable(place, storage_options=options or None)
    sizes = pl.DataFrame(table.get_add_actions(flatten=True))
    stamp = table.history(1)[0].get("timestamp")
    return {
        "bytes": int(sizes["size_bytes"].sum()) if sizes.height else 0,
        "modified": None if stamp is None else datetime.fromtimestamp(stamp / 1000, UTC).isoformat(),
        "delta_version": table.version(),
        "digest": digest_of([table.metadata().id, table.version()]),
    }
