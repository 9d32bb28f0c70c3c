"""What a backup is kept in: an archive or a folder, with a manifest that holds the digest of every file in it."""

import hashlib
import io
import os
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from outlast.errors import NotFound, StorageError
from outlast.storage.whole import sync
from outlast.types import digest_of

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_ABANDONED_SECONDS = 86_400
_PRIVATE = 0o077  # it holds predictions, and digests of tokens: nobody else may read it


class Box:
    """A backup that is being written; `files` says what is in it so far."""

    def __init__(self, folder: Path | None, archive: tarfile.TarFile | None) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self._folder, self._archive = folder, archive

    def add(self, name: str, stream: BinaryIO, size: int) -> None:
        """Put a file in: so many bytes, or an error when there are fewer."""
        read = _Digesting(stream, size)
        if self._archive is not None:
            about = tarfile.TarInfo(name)
            about.size, about.mode = size, 0o600
            self._archive.addfile(about, read)
        else:
            _write(Path(str(self._folder), name), read)
        if read.left:
            raise StorageError(f"'{name}' ended {read.left} bytes early while it was copied: take the backup again")
        self.files[name] = {"sha256": read.digest.hexdigest(), "bytes": size}

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data), len(data))

    def close(self, told: dict[str, Any]) -> str:
        """Put the manifest in; gives the backup's digest, which stands for all of it."""
        manifest = {"format": FORMAT, **told, "files": dict(sorted(self.files.items()))}
        self.add_bytes(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        return digest_of(manifest)


@contextmanager
def writing(target: Path) -> Iterator[Box]:
    """A new backup: an archive where the name ends in .tar, else a folder; it bears its name once it is whole."""
    target = target.absolute()
    _free(target)
    draft = target.with_name(f".{target.name}.unfinished-{uuid.uuid4().hex}")
    before = os.umask(_PRIVATE)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        with _into(draft, target.suffix == ".tar") as box:
            yield box
        _free(target)
        os.rename(draft, target)
        sync(target.parent)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        says = f"Could not write the backup {target}: {error.strerror or error}"
        raise StorageError(f"{says}; see to the disk, its free space and its permissions") from error
    finally:
        os.umask(before)
        _remove(draft)


class Kept:
    """A backup to read: its manifest, and its files by name."""

    def __init__(self, source: Path, archive: tarfile.TarFile | None) -> None:
        self.source = source
        self._archive = archive
        with self._sentences():
            self._members = {} if archive is None else {one.name: one for one in archive if one.isreg()}
            with self._open(MANIFEST) as stream:
                self.manifest: dict[str, Any] = self._read_manifest(stream.read())
        self.digest = digest_of(self.manifest)

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        return dict(self.manifest["files"])

    def below(self, folder: str) -> list[str]:
        """The names of the files in one of its folders, sorted."""
        return sorted(name for name in self.files if name.startswith(f"{folder}/"))

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file to read, verified while it is read to its end."""
        with self._sentences(), self._open(name) as stream:
            yield stream

    def verify(self) -> Iterator[int]:
        """Read every file and compare its digest; gives how many bytes each had."""
        for name, about in self.files.items():
            with self.opened(name) as stream:
                read = _Digesting(stream, about["bytes"])
                while read.read(_CHUNK):
                    pass
                if read.left or stream.read(1) or read.digest.hexdigest() != about["sha256"]:
                    raise StorageError(
                        f"'{name}' in the backup {self.source} is not what was put in: nothing was restored; "
                        "use another backup"
                    )
            yield about["bytes"]

    def _open(self, name: str) -> BinaryIO:
        if self._archive is None:
            return (self.source / name).open("rb")
        member = self._members.get(name)
        stream = None if member is None else self._archive.extractfile(member)
        if stream is None:
            raise FileNotFoundError(2, "not in the archive", name)
        return stream  # type: ignore[return-value]

    def _read_manifest(self, data: bytes) -> dict[str, Any]:
        manifest: dict[str, Any] = msgspec.json.decode(data)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else None
            raise StorageError(
                f"The backup {self.source} has format {found}, this release reads format {FORMAT}: "
                "restore it with the release of Outlast that wrote it"
            )
        return manifest

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except (OSError, tarfile.TarError, msgspec.DecodeError, EOFError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise StorageError(
                f"{self.source} cannot be read as a backup ({said}): expected what `outlast backup` wrote, whole"
            ) from error


@contextmanager
def reading(source: Path) -> Iterator[Kept]:
    """A backup that was written earlier."""
    if not source.exists():
        raise NotFound(f"There is no backup {source}: give the archive or the folder that `outlast backup` wrote")
    with ExitStack() as stack:
        archive = None
        if not source.is_dir():
            try:
                archive = stack.enter_context(tarfile.open(source, "r:"))
            except (tarfile.TarError, OSError) as error:
                raise StorageError(
                    f"{source} cannot be read as a backup ({error}): expected what `outlast backup` wrote, whole"
                ) from error
        yield Kept(source, archive)


class _Digesting:
    """A stream that is read up to a size, and digested on the way."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.left, self.digest, self._stream = size, hashlib.sha256(), stream

    def read(self, most: int = -1) -> bytes:
        piece = self._stream.read(self.left if most < 0 else min(most, self.left))
        self.left -= len(piece)
        self.digest.update(piece)
        return piece


@contextmanager
def _into(draft: Path, archive: bool) -> Iterator[Box]:
    if not archive:
        draft.mkdir()
        yield Box(draft, None)
        for folder, _, _ in os.walk(draft):
            sync(Path(folder))
        return
    with draft.open("xb") as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
            yield Box(None, made)
        stream.flush()
        os.fsync(stream.fileno())


def _write(file: Path, read: _Digesting) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as stream:
        while piece := read.read(_CHUNK):
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _free(target: Path) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise StorageError(f"{target.resolve()} is there already, and a backup replaces nothing: choose another name")


def _sweep(target: Path) -> None:
    """Remove what killed backups of the same name left."""
    for left in target.parent.glob(f".{target.name}.unfinished-*"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
