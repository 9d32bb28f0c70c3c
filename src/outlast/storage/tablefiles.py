"""The files that make a table, to be copied as they are: a file of Delta never changes once it is written."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

from outlast.errors import StorageError

_LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.(json|checkpoint(\.\d+\.\d+)?\.parquet)")


@dataclass(frozen=True)
class Pinned:
    """A table at one version: the files that make it, those with rows first, then the log up to that version."""

    name: str
    version: int
    files: tuple[str, ...]


def pinned(name: str, table: Any, listed: list[str]) -> Pinned:
    """The version of an open Delta table, given the names in its log's folder."""
    version = int(table.version())
    rows = sorted(unquote(uri).rsplit("/", 1)[-1] for uri in table.file_uris())
    commits = [found for found in map(_COMMIT.fullmatch, sorted(listed)) if found and int(found[1]) <= version]
    return Pinned(name, version, (*rows, *(f"{_LOG}/{found[0]}" for found in commits)))


def log_of(folder: str | None, remote: Any, prefix: str) -> list[str]:
    """The names in the folder of a table's log."""
    if folder is not None:
        return os.listdir(Path(folder, _LOG))
    from pyarrow.fs import FileSelector

    listed = remote.get_file_info_selector(FileSelector(f"{prefix}/{_LOG}"))
    return [info.path.rsplit("/", 1)[-1] for info in listed]


@contextmanager
def opened(folder: str | None, remote: Any, prefix: str, file: str) -> Iterator[tuple[BinaryIO, int]]:
    """A file of a table to read, and its size."""
    _inside(file)
    if folder is not None:
        with Path(folder, file).open("rb") as stream:
            yield stream, os.fstat(stream.fileno()).st_size
        return
    from pyarrow.fs import PyFileSystem

    with PyFileSystem(remote).open_input_file(f"{prefix}/{file}") as far:
        yield far, far.size()


def put(folder: str | None, remote: Any, prefix: str, file: str, stream: BinaryIO) -> None:
    """Write a file of a table; the same one again takes its place."""
    _inside(file)
    if folder is not None:
        target = Path(folder, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as near:
            shutil.copyfileobj(stream, near, 1 << 20)
            near.flush()
            os.fsync(near.fileno())
        return
    far = remote._handler.open_output_stream(f"{prefix}/{file}", None)  # the public one hands it buffers it refuses
    while piece := stream.read(1 << 20):
        far.write(piece)
    far.close()


def _inside(file: str) -> None:
    parts = PurePosixPath(file).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise StorageError(f"'{file}' is no file of a table: expected a path inside its folder; take another backup")
