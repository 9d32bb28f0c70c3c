"""Writing a card into a file."""

import os
from pathlib import Path

from outlast.errors import StorageError


def save(file: Path, text: str) -> None:
    """Write a card into a file, whole or not at all."""
    draft = file.with_name(f".{file.name}.unfinished")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, file)
    except OSError as error:
        said = error.strerror or str(error)
        raise StorageError(f"Could not write the card {file}: {said}; see to its folder and permissions") from error
