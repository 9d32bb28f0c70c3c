"""Telling those outside what was kept: the file of heads, and a webhook."""

import logging
import threading
from datetime import datetime
from pathlib import Path

import msgspec

from outlast.errors import StorageError
from outlast.storage.ledger import Outside
from outlast.storage.whole import write_whole

_log = logging.getLogger("outlast.audit")
_PATIENCE = 5.0
_in_turn = threading.Lock()


class Told(msgspec.Struct, frozen=True):
    """The last head that a webhook was told of, and why it was not told of a later one."""

    seq: int
    digest: str
    at: str
    error: str | None = None
    format: int = 1


def kept(outside: Outside, seq: int, digest: str, at: str) -> None:
    """Note that an entry is committed, and tell the webhook behind the caller's back.

    A failure here changes nothing that was done: `verify` says so, and does it again.
    """
    try:
        outside.note(seq, digest, at, "kept")
    except StorageError as error:
        _log.warning("Entry %d is in the trail and not noted as kept: %s", seq, error)
    if outside.webhook:
        # Not a daemon: a command that ends waits for it, for a few seconds at most.
        threading.Thread(target=tell, args=(outside, seq, digest, at), name="outlast-audit-webhook").start()


def tell(outside: Outside, seq: int, digest: str, at: str) -> Told:
    """Tell the webhook of a head; what became of it is kept beside the file of heads."""
    import httpx

    assert outside.webhook is not None
    with _in_turn:
        body = {"seq": seq, "digest": digest, "at": at, "environment": outside.environment}
        try:
            answer = httpx.post(outside.webhook, json=body, timeout=_PATIENCE)
            answer.raise_for_status()
            told = Told(seq, digest, at)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            before = last_told(outside)
            said = f"{type(error).__name__}: {error}"
            told = Told(before.seq if before else 0, before.digest if before else "", at, said)
            _log.warning("The audit webhook was not told of entry %d: %s", seq, said)
        _write(outside.told, msgspec.json.encode(told))
    return told


def last_told(outside: Outside) -> Told | None:
    """What the webhook was last told; None where it was told nothing."""
    try:
        return msgspec.json.decode(outside.told.read_bytes(), type=Told)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def told_of(outside: Outside, seq: int, digest: str, at: datetime) -> str | None:
    """Tell the webhook now what it was not told; the sentence that says it cannot be, None when all is told."""
    if not outside.webhook or not seq:
        return None
    before = last_told(outside)
    if before is not None and before.digest == digest:
        return None
    now = tell(outside, seq, digest, at.isoformat())
    if now.error is None:
        return None
    return f"the webhook knows {now.seq or 'none'} of {seq} entries ({now.error}): see whether its address is right"


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data, mode=0o600)
    except OSError as error:
        _log.warning("What the audit webhook was told cannot be kept in %s: %s", path, error)
