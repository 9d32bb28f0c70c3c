"""Writing a card, or another page, into a file."""

from pathlib import Path

from outlast.errors import StorageError
from outlast.storage.whole import write_whole


def save(file: Path, text: str, *, what: str = "card") -> None:
    """Write it into a file, whole or not at all."""
    try:
        write_whole(file, text.encode())
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError(f"Could not write the {what} {file}: {said}; see to its folder and permissions") from error
