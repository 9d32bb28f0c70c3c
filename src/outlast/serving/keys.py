"""The tokens of a workspace in a server's memory: a request costs one digest, a change is seen within half a second."""

import logging
import threading

import msgspec

from outlast.errors import OutlastError, StorageError
from outlast.project.workspace import Workspace
from outlast.registry.tokens import ID_AT, Key, Token, keys
from outlast.serving.memory import replace
from outlast.types import FORMAT, Clock, now

_log = logging.getLogger("outlast.serving")
_POLL = 0.25


class _Kept(msgspec.Struct, frozen=True):
    """What is known of the tokens, in a file, so that a server starts without the ledger."""

    keys: list[Key]
    format: int = FORMAT


class Keys:
    """Who holds which token. `start` reads them and watches the ledger; without it, the last known ones stay."""

    def __init__(self, workspace: Workspace, *, always: bool = False, clock: Clock = now) -> None:
        self._workspace, self._clock = workspace, clock
        self._file = workspace.home / "serving" / "tokens"
        self._always = always
        self._kept: list[Key] | None = None
        self._by_id: dict[bytes, Key] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="outlast-keys", daemon=True)

    def start(self) -> None:
        """Read the tokens, from the file when the ledger is down, and watch from now on."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def watching(self) -> bool:
        """Whether changes of the ledger are still being taken."""
        return self._thread.is_alive()

    @property
    def needed(self) -> bool:
        """Whether every request needs a token.

        Once a workspace has had one, it does: neither an expiry nor a revocation may open a server. It does too as
        long as nobody could say whether there are any.
        """
        return self._always or self._kept is None or bool(self._kept)

    @property
    def any_live(self) -> bool:
        """Whether somebody holds a token that is taken now."""
        at = self._clock()
        return any(key.token.state(at) == "live" for key in self._by_id.values())

    def holder(self, secret: bytes) -> Token | None:
        """The token of a secret, if it is taken now."""
        key = self._by_id.get(secret[ID_AT])
        if key is None or not key.opens(secret):
            return None
        ends = key.token.expires_at
        return None if ends is not None and ends <= self._clock() else key.token

    def look(self) -> None:
        """Take what has changed in the ledger; without it, go on with what is known."""
        try:
            found = keys(self._workspace.ledger)
        except OutlastError:  # the house says so
            if self._kept is None:
                self._take(self._recalled())
            return
        if found != self._kept:
            self._remember(found)
            self._take(found)

    def _take(self, found: list[Key] | None) -> None:
        live = {key.token.id.encode(): key for key in found or () if key.token.revoked_at is None}
        self._by_id, self._kept = live, found

    def _remember(self, found: list[Key]) -> None:
        try:
            replace(self._file, msgspec.json.encode(_Kept(found)))
        except StorageError as error:
            _log.warning("%s", error)

    def _recalled(self) -> list[Key] | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept).keys
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{self._file} cannot be read ({error}): remove it and start again") from error

    def _watch(self) -> None:
        while not self._stop.wait(_POLL):
            self.look()
