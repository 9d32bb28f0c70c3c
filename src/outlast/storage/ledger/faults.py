"""What a database's complaint means, in one sentence that never shows a password."""

import re

import sqlalchemy as sa
from sqlalchemy import exc

from outlast.errors import StorageError

_HINTS = (
    ("not a database", "is not an SQLite database: point the ledger at another file, or move this one away"),
    ("malformed", "is damaged: restore it from a backup"),
    ("readonly", "is read-only: make the file and its folder writable for this user"),
    ("unable to open", "cannot be opened: check that the file and its folder exist and may be read and written"),
    ("is locked", "is busy: another process has been writing for over ten seconds; try again, or stop that process"),
    ("lock timeout", "is busy: another process has been writing for over ten seconds; try again, or stop that process"),
    ("disk is full", "has no room left: free some disk space and try again"),
    ("disk i/o error", "cannot be read or written: check the disk and its free space"),
)


def place(url: sa.URL) -> str:
    """The ledger's name for people: the file, or the database and its server, without user or password."""
    if url.get_backend_name() == "sqlite":
        return f"Ledger '{url.database}'"
    host = url.host or _first(url.query.get("host")) or "localhost"
    port = url.port or _first(url.query.get("port")) or 5432
    return f"Ledger '{url.database or ''}' on {host}:{port}"


def spoken(error: exc.SQLAlchemyError, url: sa.URL, *, reading: bool = False) -> StorageError | None:
    """The StorageError for a failure of the database; None for a rule broken by the caller's own statement."""
    if isinstance(error, exc.TimeoutError):
        return StorageError(f"{place(url)} has no free connection left: close some, or try again")
    if not isinstance(error, exc.DBAPIError) or isinstance(error, exc.IntegrityError | exc.ProgrammingError):
        return None
    said = " ".join(str(error.orig).split())
    if "read" in said and (error.statement or "").lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE") and reading:
        return StorageError(f"{place(url)} was opened for reading: write inside a write() block")
    return failure(said, url)


def failure(said: str, url: sa.URL) -> StorageError:
    """The StorageError for what a driver said about a ledger."""
    for sign, meaning in _HINTS:
        if sign in said.lower():
            return StorageError(f"{place(url)} {meaning}")
    told = _without_secrets(said, url)[:300].rstrip(".")
    return StorageError(f"{place(url)} failed, check that it runs and can be reached: {told}")


def _first(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value


def _without_secrets(said: str, url: sa.URL) -> str:
    secrets = [url.password, *(_first(v) for k, v in url.query.items() if "password" in k.lower())]
    for secret in filter(None, secrets):
        said = said.replace(secret, "***")
    return re.sub(r"(?i)(password\s*[=:]\s*)\S+", r"\1***", said)
