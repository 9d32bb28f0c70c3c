"""What a server served last, in files beside the workspace, so that it starts without the ledger."""

from pathlib import Path

import msgspec

from outlast.errors import StorageError
from outlast.storage.whole import write_whole
from outlast.types import FORMAT


class Known(msgspec.Struct, frozen=True):
    """A version that was live when it was last seen."""

    model: str
    version: int
    digest: str
    advice: bool = False
    format: int = FORMAT


class Memory:
    """One small file per model, replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, known: Known) -> None:
        """Keep what is live of a model."""
        replace(self._path(known.model), msgspec.json.encode(known))

    def forget(self, model: str) -> None:
        """Nothing is live of a model any more."""
        self._path(model).unlink(missing_ok=True)

    def last(self, model: str) -> Known | None:
        """What was live of a model when last seen."""
        try:
            return msgspec.json.decode(self._path(model).read_bytes(), type=Known)
        except (OSError, msgspec.DecodeError):
            return None  # never served here, or not readable: there is nothing to go on with

    def recall(self) -> list[Known]:
        """What was live when last seen, by model."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Known))
            except FileNotFoundError:
                continue  # another process of this server forgot it just now
            except (OSError, msgspec.DecodeError) as error:
                raise StorageError(f"{path} cannot be read ({error}): remove it and start again") from error
        return found

    def _path(self, model: str) -> Path:
        return self._folder / f"{model}.json"


def replace(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, for nobody's eyes but the server's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, mode=0o600)
    except OSError as error:
        raise StorageError(f"Could not note what is live in {path.parent}: {error}; check the disk") from error
