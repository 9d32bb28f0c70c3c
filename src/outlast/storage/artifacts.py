"""Artifacts: files kept under the SHA-256 of what is in them, on disk or in an object store."""

import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from outlast.errors import MissingExtra, NotFound, SettingsError, StorageError
from outlast.storage.whole import sync
from outlast.types import FORMAT

_CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EXTRAS = {"s3": ("s3", "s3fs"), "s3a": ("s3", "s3fs"), "gs": ("gcs", "gcsfs"), "gcs": ("gcs", "gcsfs")}
_BUCKETS = {*_EXTRAS, "az", "abfs", "abfss", "adl", "oss", "oci"}
_ABANDONED_SECONDS = 86_400


class Artifacts:
    """Files by digest: what comes out is what went in, or an error.

    The root is a folder, or a URL that fsspec knows (s3://bucket/prefix, gs://bucket/prefix). What is read from a URL
    is kept in a local cache, so that reading it again needs no network. Safe to share between threads and processes: a
    file appears under its digest whole or not at all. The layout is the same everywhere, so a folder can be copied into
    a bucket as it is.

    >>> import tempfile
    >>> kept = Artifacts(tempfile.mkdtemp())
    >>> kept.get(kept.put(b"a bundle"))
    b'a bundle'
    """

    def __init__(self, root: str, *, cache: Path | None = None) -> None:
        self.root = root
        folder = _folder_of(root)
        self._remote = None if folder else _Remote(root)
        self._local = _Folder(folder or cache or _default_cache())
        self._format_checked = False

    def __repr__(self) -> str:
        return f"Artifacts({_shown(self.root)!r})"

    def put(self, data: bytes | Path) -> str:
        """Keep bytes or the contents of a file; returns the digest. Putting the same again changes nothing."""
        if isinstance(data, Path) and not data.is_file():
            raise NotFound(f"'{data}' cannot be kept as an artifact, expected an existing file: check the path")
        with _speaking(self.root, "written"):
            self._check_format(create=True)
            digest = self._local.add(_pieces(data))
            if self._remote:
                self._remote.upload(self._local.file(digest), digest)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes with this digest, verified."""
        with _speaking(self.root, "read"):
            data = self._here(digest).read_bytes()
            intact = hashlib.sha256(data).hexdigest() == digest
            return data if intact else self._again(digest).read_bytes()

    def path(self, digest: str) -> Path:
        """A local file with this digest, verified; it must not be changed."""
        with _speaking(self.root, "read"):
            file = self._here(digest)
            return file if _digest_of_file(file) == digest else self._again(digest)

    def exists(self, digest: str) -> bool:
        """Whether the store itself (not its cache) has a file with this digest."""
        with _speaking(self.root, "read"):
            store = self._remote or self._local
            return _is_digest(digest) and store.size(digest) is not None

    def delete(self, digest: str) -> None:
        """Forget a file, in the store and in the cache; one that is not there is fine."""
        if _is_digest(digest):
            with _speaking(self.root, "deleted from"):
                self._check_format(create=False)
                if self._remote:
                    self._remote.delete(digest)
                self._local.delete(digest)

    def digests(self) -> list[str]:
        """Every digest the store has, sorted."""
        with _speaking(self.root, "listed"):
            return sorted(filter(_is_digest, (self._remote or self._local).names()))

    def _here(self, digest: str) -> Path:
        """A local file for the digest, not verified yet."""
        if not _is_digest(digest):
            raise NotFound(
                f"'{digest}' is no artifact's digest, expected 64 hexadecimal digits: copy it from a version"
            )
        self._check_format(create=False)
        if self._local.size(digest) is not None:
            return self._local.file(digest)
        if self._remote:
            return self._download(self._remote, digest)
        raise _absent(digest, self.root)

    def _again(self, digest: str) -> Path:
        """What to do when the local file is damaged: fetch it anew, or say so when it is the only one."""
        if self._remote:
            return self._download(self._remote, digest)
        raise _damaged(digest, self.root)

    def _download(self, remote: "_Remote", digest: str) -> Path:
        if self._local.add(remote.pieces(digest), only=digest) != digest:
            raise _damaged(digest, self.root)
        return self._local.file(digest)

    def _check_format(self, *, create: bool) -> None:
        if self._format_checked:
            return
        store = self._remote or self._local
        found = store.format() or None  # empty while another process writes it, where a store does not write at once
        if found is None and create:
            store.write_format()
        if found not in (None, str(FORMAT)):
            raise StorageError(
                f"Artifacts at '{_shown(self.root)}' have format {found}, this release reads format {FORMAT}: "
                "install the release of Outlast that wrote them"
            )
        self._format_checked = found is not None or create


class _Folder:
    """Artifacts in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = False

    def file(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def add(self, pieces: Iterable[bytes], *, only: str | None = None) -> str:
        """Write a file under its digest, durable before it is visible; `only` keeps it just if the digest is that."""
        temporary = self._temporary()
        try:
            digest = _write(temporary, pieces)
            target = self.file(digest)
            if only in (None, digest) and not (target.exists() and _digest_of_file(target) == digest):
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, target)
                for folder in (target.parent, self.root):
                    sync(folder)
            return digest
        finally:
            temporary.unlink(missing_ok=True)

    def size(self, digest: str) -> int | None:
        try:
            return self.file(digest).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, digest: str) -> None:
        self.file(digest).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        return (file.name for file in self.root.glob("??/*"))

    def format(self) -> str | None:
        try:
            return (self.root / "format").read_text().strip()
        except FileNotFoundError:
            return None

    def write_format(self) -> None:
        temporary = self._temporary()
        _write(temporary, [str(FORMAT).encode()])
        os.replace(temporary, self.root / "format")

    def _temporary(self) -> Path:
        folder = self.root / "unfinished"
        folder.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(folder)
        return folder / uuid.uuid4().hex


class _Remote:
    """Artifacts in an object store, or in anything else that fsspec knows."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root = _file_system(url)

    def upload(self, file: Path, digest: str) -> None:
        # A store that does not write at once shows half a file by its size; everybody else is told by the digest.
        if self.size(digest) != file.stat().st_size:
            self._make_folder(f"{self._root}/{digest[:2]}")
            self._fs.put_file(str(file), self._key(digest))

    def pieces(self, digest: str) -> Iterator[bytes]:
        try:
            with self._fs.open(self._key(digest), "rb") as stream:
                yield from _chunks(stream)
        except FileNotFoundError:
            raise _absent(digest, self.url) from None

    def size(self, digest: str) -> int | None:
        self._fs.invalidate_cache()
        try:
            return int(self._fs.info(self._key(digest))["size"])
        except FileNotFoundError:
            return None

    def delete(self, digest: str) -> None:
        if self.size(digest) is not None:
            self._fs.rm_file(self._key(digest))

    def names(self) -> Iterator[str]:
        self._fs.invalidate_cache()
        return (str(key).rsplit("/", 1)[-1] for key in self._fs.find(self._root))

    def format(self) -> str | None:
        try:
            return str(self._fs.cat_file(f"{self._root}/format").decode(errors="replace")).strip()
        except FileNotFoundError:
            return None

    def write_format(self) -> None:
        self._make_folder(self._root)
        self._fs.pipe_file(f"{self._root}/format", str(FORMAT).encode())

    def _make_folder(self, folder: str) -> None:
        if _scheme(self.url) not in _BUCKETS:  # a bucket must exist: one made by a typing error helps nobody
            self._fs.makedirs(folder, exist_ok=True)

    def _key(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(url)
        return fs, str(root).rstrip("/")
    except ImportError as error:
        extra, package = _EXTRAS.get(_scheme(url), ("", ""))
        if extra:
            raise MissingExtra.of(extra, package, f"Keeping artifacts at {_scheme(url)}://") from error
        raise MissingExtra(f"Keeping artifacts at {_scheme(url)}:// needs a package: {error}") from error
    except ValueError as error:
        raise SettingsError(
            f"The artifacts' address '{_shown(url)}' cannot be used, expected a folder, s3://bucket/prefix or "
            f"gs://bucket/prefix: correct it"
        ) from error


def _folder_of(root: str) -> Path | None:
    """The folder a path or file:// URL names; None for any other URL."""
    if root.startswith("file://"):
        return Path(root.removeprefix("file://"))
    return None if "://" in root else Path(root)


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outlast" / "artifacts"


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _shown(root: str) -> str:
    """An address without the user and password it may hold."""
    return re.sub(r"//[^/@]*@", "//", root)


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK):
        yield piece


def _pieces(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, Path):
        with data.open("rb") as stream:
            yield from _chunks(stream)
    else:
        yield data


def _digest_of_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(file: Path, pieces: Iterable[bytes]) -> str:
    """Write a new file to the disk itself; returns the digest of what was written."""
    digest = hashlib.sha256()
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as stream:
        for piece in pieces:
            digest.update(piece)
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what killed processes left; a day is longer than any write takes."""
    for file in folder.iterdir():
        try:
            if file.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                file.unlink()
        except FileNotFoundError:
            continue  # another process sweeps too, or finished its write


def _absent(digest: str, root: str) -> NotFound:
    return NotFound(
        f"Artifact {digest[:12]} is not in '{_shown(root)}', expected it to be kept there: check the artifacts' address"
    )


def _damaged(digest: str, root: str) -> StorageError:
    return StorageError(
        f"Artifact {digest[:12]} in '{_shown(root)}' is damaged, its contents have another digest: "
        "restore it from a backup, or put it again"
    )


@contextmanager
def _speaking(root: str, done: str) -> Iterator[None]:
    """Turn failures of the disk or the network into one sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        said = _shown(error.strerror or str(error) or type(error).__name__)
        raise StorageError(
            f"Artifacts at '{_shown(root)}' cannot be {done}: {said}; check its owner, its free space or the connection"
        ) from error
