"""Artifacts in a folder and behind fsspec: the contract, and everything that can go wrong with them."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from outlast.errors import MissingExtra, NotFound, SettingsError, StorageError
from outlast.storage.artifacts import Artifacts
from outlast.storage.checks.artifacts import CHECKS, DIGEST, LARGE, WORDS

ABSENT = "0" * 64


class Place:
    """One place under test, and a look behind its back."""

    def __init__(self, root: str, folder: Path) -> None:
        self.root, self.folder = root, folder

    def open(self) -> Artifacts:
        return Artifacts(self.root, cache=self.folder / "caches" / uuid.uuid4().hex)


@pytest.fixture(params=["folder", "file URL", "object store", "folder behind fsspec"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    roots = {
        "folder": f"{tmp_path}/kept",
        "file URL": f"file://{tmp_path}/kept",
        "object store": f"memory://{uuid.uuid4().hex}/artifacts",
        "folder behind fsspec": f"local://{tmp_path}/kept",
    }
    return Place(roots[request.param], tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Callable[[], Artifacts]], None], place: Place) -> None:
    check(place.open)


# A folder


@pytest.fixture
def kept(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path))


def damage(file: Path, data: bytes) -> None:
    file.chmod(0o600)
    file.write_bytes(data)


@pytest.mark.parametrize("data", [b"", WORDS[:-1], WORDS[:-1] + b"?", WORDS + b"!"])
def test_a_damaged_artifact_is_never_handed_out_and_can_be_put_again(kept: Artifacts, data: bytes) -> None:
    kept.put(WORDS)
    damage(kept.path(DIGEST), data)
    for ask in (kept.get, kept.path):
        with pytest.raises(StorageError, match="is damaged, its contents have another digest"):
            ask(DIGEST)
    kept.put(WORDS)
    assert kept.get(DIGEST) == WORDS


def test_artifacts_are_read_only_files_and_nothing_else_is_left(kept: Artifacts, tmp_path: Path) -> None:
    kept.put(WORDS)
    assert kept.path(DIGEST).stat().st_mode & 0o222 == 0
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"format", f"{DIGEST[:2]}/{DIGEST}"}


WRITING = """
import sys
from outlast.storage.artifacts import Artifacts
kept, turn = Artifacts(sys.argv[1]), 0
print("ready", flush=True)
while True:
    kept.put(bytes(range(256)) * 20_000 + str(turn).encode())
    turn += 1
"""


def test_killed_while_writing_leaves_only_whole_artifacts(tmp_path: Path) -> None:
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        wait_for(lambda: any((tmp_path / "unfinished").glob("*")))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    kept = Artifacts(str(tmp_path))
    assert all(hashlib.sha256(kept.get(digest)).hexdigest() == digest for digest in kept.digests())
    assert kept.get(kept.put(WORDS)) == WORDS


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline


def test_what_a_killed_writer_left_is_swept_after_a_day(tmp_path: Path) -> None:
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for name, age in (("old", 90_000), ("young", 80_000)):
        (unfinished / name).touch()
        os.utime(unfinished / name, (time.time() - age,) * 2)
    Artifacts(str(tmp_path)).put(WORDS)
    assert [file.name for file in unfinished.iterdir()] == ["young"]


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    """A disk that is full after so many bytes, as far as one file can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(kept: Artifacts, tmp_path: Path) -> None:
    kept.put(WORDS)
    with files_no_larger_than(1 << 20), pytest.raises(StorageError, match="cannot be written: File too large"):
        kept.put(LARGE)
    assert kept.digests() == [DIGEST]
    assert list((tmp_path / "unfinished").iterdir()) == []


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    kept = Artifacts(str(tmp_path / "kept"))
    for act in (lambda: kept.put(WORDS), lambda: kept.get(DIGEST)):
        with pytest.raises(StorageError, match=r"kept' cannot be (written|read): Not a directory"):
            act()


def test_a_folder_that_may_not_be_written_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        kept = Artifacts(name)
        kept.put(WORDS)
        with read_only_for_an_ordinary_user(Path(name)):
            assert Artifacts(name).get(DIGEST) == WORDS
            with pytest.raises(StorageError, match="cannot be written: Permission"):
                kept.put(LARGE)


@contextmanager
def read_only_for_an_ordinary_user(folder: Path) -> Iterator[None]:
    """File permissions do not hold root back, so root becomes somebody else meanwhile."""
    changed = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in changed:
        path.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in changed:
            path.chmod(0o700)


# Formats and addresses


def test_a_format_to_come_is_refused_before_anything_is_read_or_written(place: Place) -> None:
    place.open().put(WORDS)
    with fsspec.open(f"{place.root if '://' in place.root else 'file://' + place.root}/format", "wb") as stream:
        stream.write(b"2\n")
    later = place.open()
    for act in (lambda: later.put(LARGE), lambda: later.get(DIGEST), lambda: later.path(DIGEST)):
        with pytest.raises(StorageError, match="have format 2, this release reads format 1: install the release"):
            act()
    assert later.digests() == [DIGEST]


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_an_object_store_without_its_package_names_the_extra(
    scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtra, match=rf"pip install 'outlast\[{extra}\]'"):
        Artifacts(f"{scheme}://bucket/artifacts")


def test_an_unknown_kind_of_address_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsError, match=r"'nonsense://host/kept' cannot be used") as caught:
        Artifacts("nonsense://me:hunter2@host/kept")
    assert "hunter2" not in caught.value.sentence


def test_a_folder_needs_no_fsspec() -> None:
    program = "import sys, tempfile; from outlast.storage.artifacts import Artifacts as A\n"
    program += "A(tempfile.mkdtemp(dir=sys.argv[1])).put(b'x'); print('fsspec' in sys.modules)"
    with tempfile.TemporaryDirectory() as folder:
        assert subprocess.check_output([sys.executable, "-c", program, folder], text=True) == "False\n"


# An object store and its cache


@pytest.fixture
def remote(tmp_path: Path) -> Artifacts:
    return Artifacts(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")


def key(store: Artifacts, digest: str) -> str:
    return f"{store.root.removeprefix('memory:/')}/{digest[:2]}/{digest}"


def test_what_was_read_is_read_again_without_the_network(remote: Artifacts, tmp_path: Path) -> None:
    remote.put(WORDS)
    other = Artifacts(remote.root, cache=tmp_path / "other")
    assert other.get(DIGEST) == WORDS
    fsspec.filesystem("memory").rm(key(remote, DIGEST))
    assert other.get(DIGEST) == WORDS
    assert not other.exists(DIGEST)
    with pytest.raises(NotFound):
        Artifacts(remote.root, cache=tmp_path / "third").get(DIGEST)


def test_a_damaged_cache_is_fetched_anew(remote: Artifacts) -> None:
    remote.put(WORDS)
    for ask in (remote.get, lambda digest: remote.path(digest).read_bytes()):
        damage(remote.path(DIGEST), b"damaged")
        assert ask(DIGEST) == WORDS


def test_a_damaged_object_is_refused_and_not_cached(remote: Artifacts, tmp_path: Path) -> None:
    remote.put(WORDS)
    fsspec.filesystem("memory").pipe_file(key(remote, DIGEST), WORDS[:-1] + b"?")
    other = Artifacts(remote.root, cache=tmp_path / "other")
    for _ in range(2):
        with pytest.raises(StorageError, match="is damaged"):
            other.get(DIGEST)


def test_half_an_upload_is_made_whole_by_putting_again(remote: Artifacts, tmp_path: Path) -> None:
    remote.put(WORDS)
    fsspec.filesystem("memory").pipe_file(key(remote, DIGEST), WORDS[:5])
    remote.put(WORDS)
    assert Artifacts(remote.root, cache=tmp_path / "other").get(DIGEST) == WORDS


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A real server that hands out the files of a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "shared"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://me:hunter2@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_folder_is_read_as_it_is_through_a_web_server(web: str, tmp_path: Path) -> None:
    digest = Artifacts(str(tmp_path / "shared")).put(LARGE)
    store = Artifacts(web, cache=tmp_path / "cache")
    assert store.exists(digest)
    assert store.get(digest) == LARGE
    assert not store.exists(ABSENT)
    with pytest.raises(NotFound):
        store.get(ABSENT)


def test_a_store_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    store = Artifacts("http://me:hunter2@127.0.0.1:1/kept", cache=tmp_path)
    with pytest.raises(StorageError, match=r"'http://127\.0\.0\.1:1/kept' cannot be read: ") as caught:
        store.get(ABSENT)
    assert "hunter2" not in caught.value.sentence
