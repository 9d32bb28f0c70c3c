"""Writing a card into a file."""

from pathlib import Path

from outlast.errors import StorageError
from outlast.storage.whole import write_whole


def save(file: Path, text: str) -> None:
    """Write a card into a file, whole or not at all."""
    try:
        write_whole(file, text.encode())
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError(f"Could not write the card {file}: {said}; see to its folder and permissions") from error
