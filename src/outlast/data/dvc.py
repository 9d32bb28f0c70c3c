"""What DVC says of a file: the hash in the .dvc file beside it or beside a folder around it, or in a dvc.lock."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def dvc_hash(place: Path) -> dict[str, Any] | None:
    """The hash that DVC tracks a file or folder by, which file says so, and whether the content still has it.

    `matches` is None for a folder, whose hash is of DVC's own list of its files. None where nothing tracks it.
    """
    for noted, entry, kept in _notes(place):
        if entry != place and entry not in place.parents:
            continue
        whole = entry == place and place.is_file() and kept.get("md5") is not None
        matches = _md5(place) == kept["md5"] if whole else None
        said = kept.get("md5") or kept.get("etag") or kept.get("checksum")
        return None if said is None else {"hash": str(said), "noted_in": noted.name, "matches": matches}
    return None


def _notes(place: Path) -> Iterator[tuple[Path, Path, dict[str, Any]]]:
    """Every note that may be about a file: (the noting file, what it is about, the entry)."""
    for noted in _noting(place):
        for entry in _entries(noted):
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                yield noted, (noted.parent / entry["path"]).resolve(), entry


def _noting(place: Path) -> Iterator[Path]:
    for one in (place, *place.parents):
        beside = one.with_name(f"{one.name}.dvc") if one.name else one
        if beside.name and beside.is_file():
            yield beside
        if (one.parent / "dvc.lock").is_file():
            yield one.parent / "dvc.lock"
        if (one / ".git").exists() or (one / ".dvc").is_dir():
            return


def _entries(noted: Path) -> list[Any]:
    import yaml

    try:
        read = yaml.load(noted.read_text("utf-8"), Loader=yaml.BaseLoader)  # a hash of digits is no number
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return []
    if not isinstance(read, dict):
        return []
    stages = read.get("stages")
    if not isinstance(stages, dict):
        return list(read.get("outs") or [])
    return [entry for stage in stages.values() if isinstance(stage, dict) for entry in stage.get("outs") or []]


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
