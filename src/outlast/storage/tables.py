"""Tables: rows that only grow or are replaced whole, kept as Delta on a disk or in an object store."""

import json
import os
import random
import re
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlparse

from outlast.errors import Conflict, DataError, NotFound, StorageError
from outlast.storage import columns
from outlast.storage.tablefiles import Pinned, log_of, opened, pinned, put
from outlast.storage.whole import sync
from outlast.types import FORMAT, utc

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
FORMAT_KEY = "outlast.format"
_SUFFIX = ".delta"  # no table's folder can lie inside another's, whose clean-up would take it for litter
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*(/[A-Za-z0-9][A-Za-z0-9._@+-]*)*")
_ATTEMPTS = 30
_LOG_KEPT = "delta.logRetentionDuration"
_SMALL = 32 * 1024 * 1024
_HELD = 64
"""Tables on disk that a thread keeps open."""
_opened_here = threading.local()


class Tables:
    """Delta tables by name below one folder or URL.

    Any number of processes may append at once. A reader sees whole appends only, and keeps the version it began
    with. The order of rows is not kept: sort by a column.
    """

    def __init__(self, root: str, options: dict[str, str] | None = None) -> None:
        self.root = root.rstrip("/") if "://" in root else str(Path(root).absolute())
        self._options = dict(options or {})
        self._folder = _local(self.root)
        if self._folder is not None and re.search(r"[%|^\[\]\\]", self._folder):
            raise StorageError(
                f"Tables cannot be kept in the folder {self._folder}: Delta fails on a path with any of % | ^ [ ] or a "
                "backslash; choose another folder"
            )

    def address(self, name: str) -> str:
        """The path or URL of a table's folder, for other tools that read Delta."""
        if not _NAME.fullmatch(name) or _SUFFIX in name:
            raise StorageError(
                f"'{name}' cannot name a table: expected words of letters, digits and . _ @ + - joined by /; rename it"
            )
        return f"{self._folder or self.root}/{name}{_SUFFIX}"

    def append(self, name: str, frame: "pl.DataFrame", *, once: str | None = None) -> int:
        """Add rows, merging columns that are new; returns the table's version afterwards.

        Rows under an id given as `once` are added once: a repeat, also from another process at the same moment,
        changes nothing.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        marks = [Transaction(once, 1)] if once is not None else None

        def attempt() -> int:
            table = self._open(name) or self._create(name, frame)
            if once is not None and table.transaction_version(once) is not None:
                self._settle_all()
                return int(table.version())
            fitted = columns.fit(name, frame, _columns(table), untyped=False)
            properties = CommitProperties(app_transactions=marks)
            write_deltalake(table, fitted, mode="append", schema_mode="merge", commit_properties=properties)
            return self._settle(name, table.version())

        return self._commit(name, "append to", attempt)

    def replace(self, name: str, frame: "pl.DataFrame") -> int:
        """Make these rows and columns the whole table; returns its version afterwards."""
        from deltalake import write_deltalake

        fitted = columns.fit(name, frame, {}, untyped=True)

        def attempt() -> int:
            table = self._open(name) or self._create(name, fitted)
            write_deltalake(table, fitted, mode="overwrite", schema_mode="overwrite")
            return self._settle(name, table.version())

        return self._commit(name, "replace", attempt)

    def remove(self, name: str, column: str, values: Sequence[str]) -> int:
        """Take out the rows with one of these texts in a column; returns how many they were."""
        said = ", ".join("'" + value.replace("'", "''") + "'" for value in values)

        def attempt() -> int:
            if not values:
                return 0
            table = self._found(name)
            done = table.delete(f"{column} IN ({said})")
            self._settle(name, table.version())
            return int(done["num_deleted_rows"] or 0)

        return self._commit(name, "take rows out of", attempt)

    def remove_before(self, name: str, column: str, until: datetime) -> int:
        """Take out the rows with an earlier moment in a column; returns how many they were."""
        moment = f"arrow_cast('{utc(until).isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"

        def attempt() -> int:
            table = self._found(name)
            done = table.delete(f"{column} < {moment}")
            self._settle(name, table.version())
            return int(done["num_deleted_rows"] or 0)

        return self._commit(name, "take rows out of", attempt)

    def change(self, name: str, values: Mapping[str, str], where: str) -> int:
        """Set columns of some rows to expressions of SQL; returns how many rows they were."""

        def attempt() -> int:
            table = self._found(name)
            done = table.update(updates=dict(values), predicate=where)
            self._settle(name, table.version())
            return int(done["num_updated_rows"] or 0)

        return self._commit(name, "change rows of", attempt)

    def forget(self, name: str) -> None:
        """Remove what the table was before: its files, and what its log says of their values.

        Who reads an earlier version at this moment is told that a file is missing.
        """

        def attempt() -> None:
            table = self._found(name)
            kept = table.metadata().configuration.get(_LOG_KEPT, "interval 30 days")
            table.alter.set_table_properties({_LOG_KEPT: "interval 0 seconds"})
            table = self._found(name)
            table.create_checkpoint()
            table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
            table = self._found(name)
            table.create_checkpoint()
            table.cleanup_metadata()
            table.alter.set_table_properties({_LOG_KEPT: kept})

        self._commit(name, "forget the past of", attempt)

    def small_files(self, name: str) -> int:
        """How many files of the table could be joined with others."""
        import polars as pl

        with _sentences(name, "read"):
            files = pl.DataFrame(self._found(name).get_add_actions(flatten=True))
            return files.filter(pl.col("size_bytes") < _SMALL).height if files.height else 0

    def took(self, name: str, once: str) -> bool:
        """Whether rows were appended under this id."""
        with _sentences(name, "read"):
            table = self._open(name)
            return table is not None and table.transaction_version(once) is not None

    def scan(self, name: str) -> "pl.LazyFrame":
        """A lazy reader of the table as it is now."""
        import polars as pl

        with _sentences(name, "read"):
            table = self._found(name)
            if self._folder is not None:
                return _scan_folder(table)
            return pl.scan_delta(table, storage_options=self._options or None)

    def exists(self, name: str) -> bool:
        """Whether there is such a table."""
        with _sentences(name, "look for"):
            if self._folder is None:
                return self._open(name) is not None
            log = Path(self.address(name), "_delta_log")  # listing it takes a hundredth of opening the table
            return log.is_dir() and any(one.suffix in (".json", ".parquet") for one in log.iterdir())

    def version(self, name: str) -> int:
        """The number of the table's last commit."""
        with _sentences(name, "read"):
            return int(self._found(name).version())

    def size(self, name: str) -> int:
        """The bytes of the table's rows as they are kept now."""
        import polars as pl

        with _sentences(name, "read"):
            files = pl.DataFrame(self._found(name).get_add_actions(flatten=True))
            return int(files["size_bytes"].sum()) if files.height else 0

    def compact(self, name: str) -> None:
        """Join small files into large ones, so that reading and appending stay fast; readers are not disturbed.

        Files no version of the last seven days needs are removed.
        """

        def attempt() -> None:
            table = self._found(name)
            table.optimize.compact()
            table.create_checkpoint()
            table.vacuum(dry_run=False)

        self._commit(name, "compact", attempt)

    def delete(self, name: str) -> None:
        """Remove a table and its history; NotFound when there is none."""
        with _sentences(name, "delete"):
            self._found(name)
            if self._folder is None:
                self._remote().delete_dir(f"{name}{_SUFFIX}")
                return
            aside = Path(self.root_folder(), f".deleted-{uuid.uuid4().hex}")
            os.rename(self.address(name), aside)
            shutil.rmtree(aside)

    def pinned(self, name: str) -> Pinned:
        """The table as it is now, by the files that make it; what is written later changes none of them."""
        with _sentences(name, "read"):
            table = self._found(name)
            return pinned(name, table, log_of(*self._place(name)))

    @contextmanager
    def opened(self, name: str, file: str) -> Iterator[tuple[BinaryIO, int]]:
        """A file that `pinned` named, to read, and its size."""
        with _sentences(name, "copy"), opened(*self._place(name), file) as found:
            yield found

    def put(self, name: str, file: str, stream: BinaryIO) -> None:
        """Write a file that `pinned` named elsewhere; the table is there once the whole log is."""
        with _sentences(name, "write"):
            put(*self._place(name), file, stream)

    def names(self) -> list[str]:
        """The names of all tables, sorted."""
        with _sentences("", "list"):
            found = self._local_names() if self._folder is not None else self._remote_names()
            return sorted(found)

    def root_folder(self) -> str:
        """The local folder of the tables; StorageError when they are kept elsewhere."""
        if self._folder is None:
            raise StorageError(f"The tables at {self.root} have no local folder: read them by address instead")
        return self._folder

    def _open(self, name: str) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        address = self.address(name)
        if self._folder is not None and not Path(address, "_delta_log").is_dir():
            return None
        birth = None if self._folder is None else _birth(address)
        table = _held(address, birth)
        if table is None:
            try:
                table = DeltaTable(address, storage_options=self._options or None)
            except TableNotFoundError:
                return None
            _hold(address, birth, table)
        kept = table.metadata().configuration.get(FORMAT_KEY, "1")
        if not kept.isdigit() or int(kept) > FORMAT:
            raise StorageError(
                f"Table '{name}' has format {kept}, this Outlast reads up to {FORMAT}: use the Outlast that wrote it"
            )
        return table

    def _found(self, name: str) -> Any:
        table = self._open(name)
        if table is None:
            raise NotFound(f"There is no table '{name}' in {self.root}: see which there are with Tables.names()")
        return table

    def _create(self, name: str, frame: "pl.DataFrame") -> Any:
        from deltalake import DeltaTable

        schema = columns.fit(name, frame, {}, untyped=False).clear().to_arrow().schema
        return DeltaTable.create(
            self.address(name),
            schema,
            mode="ignore",
            storage_options=self._options or None,
            configuration={FORMAT_KEY: str(FORMAT), "delta.checkpointInterval": "20"},
            raise_if_key_not_exists=False,
        )

    def _commit(self, name: str, doing: str, attempt: Callable[[], T]) -> T:
        """Try again on the newest version while other writers get there first."""
        from deltalake.exceptions import CommitFailedError

        for turn in range(_ATTEMPTS):
            with _sentences(name, doing):
                try:
                    return attempt()
                except CommitFailedError:
                    time.sleep(random.uniform(0, 0.005 * (turn + 1)))
        raise Conflict(f"Could not {doing} table '{name}': {_ATTEMPTS} times another writer was first; try again")

    def _settle(self, name: str, version: int) -> int:
        """Wait until a commit is on the disk: Delta does not, and a log is removed once its rows are in a table."""
        if self._folder is not None:
            folder = Path(self.address(name))
            commit = folder / "_delta_log" / f"{version:020}.json"
            added = [json.loads(line).get("add") for line in commit.read_text().splitlines()]
            files = [folder / unquote(add["path"]) for add in added if add]
            for path in [*files, folder, commit, commit.parent]:
                sync(path)
        return version

    def _settle_all(self) -> None:
        """The same for a commit of unknown number, by another process that may have died on the way."""
        if self._folder is not None:
            os.sync()

    def _local_names(self) -> Iterator[str]:
        for folder, inside, _ in os.walk(self.root_folder()):
            tables = [d for d in inside if d.endswith(_SUFFIX)]
            inside[:] = [d for d in inside if d not in tables and not d.startswith(".")]
            for table in tables:
                if Path(folder, table, "_delta_log").is_dir():
                    yield Path(folder, table).relative_to(self.root_folder()).as_posix().removesuffix(_SUFFIX)

    def _remote_names(self) -> Iterator[str]:
        from pyarrow.fs import FileSelector

        marker = f"{_SUFFIX}/_delta_log"
        seen = {info.path for info in self._remote().get_file_info_selector(FileSelector("", recursive=True))}
        yield from {path.split(marker)[0].lstrip("/") for path in seen if marker in path}

    def _place(self, name: str) -> tuple[str | None, Any, str]:
        """A table's local folder, else the object store and the folder in it."""
        address = self.address(name)
        return (address, None, "") if self._folder is not None else (None, self._remote(), f"{name}{_SUFFIX}")

    def _remote(self) -> Any:
        from deltalake.fs import DeltaStorageHandler

        return DeltaStorageHandler(self.root, self._options or None)


def _birth(address: str) -> tuple[int, int] | None:
    """What tells a table on disk from another that had its name; None once its first commit was cleaned up."""
    try:
        first = os.stat(Path(address, "_delta_log", f"{0:020}.json"))
    except FileNotFoundError:
        return None
    return first.st_ino, first.st_mtime_ns


def _held(address: str, birth: tuple[int, int] | None) -> Any:
    """A table that this thread opened before, as it is now: reading its log again takes twenty times as long."""
    from deltalake.exceptions import DeltaError

    kept, table = _tables().get(address, (None, None))
    if birth is None or kept != birth:
        return None
    try:
        table.update_incremental()
    except DeltaError:
        return None  # opening it says what is wrong
    return table


def _hold(address: str, birth: tuple[int, int] | None, table: Any) -> None:
    held = _tables()
    held.pop(address, None)
    if birth is not None:
        held[address] = (birth, table)
        while len(held) > _HELD:
            held.popitem(last=False)


def _tables() -> "OrderedDict[str, tuple[Any, Any]]":
    try:
        found: OrderedDict[str, tuple[Any, Any]] = _opened_here.tables
    except AttributeError:
        found = _opened_here.tables = OrderedDict()
    return found


def _local(root: str) -> str | None:
    if "://" not in root:
        return root
    parts = urlparse(root)
    return unquote(parts.path) if parts.scheme == "file" else None


def _columns(table: Any) -> dict[str, Any]:
    import polars as pl

    return dict(pl.Schema(table.schema()))


def _scan_folder(table: Any) -> "pl.LazyFrame":
    """Read a table on disk: Polars imports pyarrow for Delta, a fifth of a second, and takes its URLs for paths."""
    import polars as pl

    files, schema = [unquote(path) for path in table.file_uris()], pl.Schema(table.schema())
    if not files:
        return pl.LazyFrame(schema=schema)
    nested = pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore")
    return pl.scan_parquet(
        files, glob=False, schema=schema, missing_columns="insert", extra_columns="ignore", cast_options=nested
    )


@contextmanager
def _sentences(name: str, doing: str) -> Iterator[None]:
    """Turn what Delta and the disk say into one sentence; let conflicts through."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except (CommitFailedError, StorageError, NotFound, DataError):
        raise
    except (DeltaError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        what = f"table '{name}'" if name else "the tables"
        raise StorageError(f"Could not {doing} {what}: {reason}; check the disk or the address") from error
