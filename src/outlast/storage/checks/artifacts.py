"""What every store of artifacts must do, wherever it keeps them.

Each check takes `make`, a function that opens the store under test; called again within one check it opens the same
store once more, as another process would (with a cache of its own, where there is one). Every check needs an empty
store.
"""

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from outlast.errors import NotFound
from outlast.storage.artifacts import Artifacts

Make = Callable[[], Artifacts]
WORDS = b"what a version is made of"
DIGEST = hashlib.sha256(WORDS).hexdigest()
LARGE = bytes(range(256)) * 20_000


def check_bytes_come_back_under_their_digest(make: Make) -> None:
    for data in (WORDS, b"", LARGE):
        digest = make().put(data)
        assert digest == hashlib.sha256(data).hexdigest()
        assert make().get(digest) == data


def check_a_file_is_kept_as_its_bytes_are(make: Make) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bundle.zip")
        file.write_bytes(LARGE)
        assert make().put(file) == make().put(LARGE)
        file.write_bytes(b"changed later")
    assert make().get(hashlib.sha256(LARGE).hexdigest()) == LARGE


def check_a_path_holds_the_bytes(make: Make) -> None:
    digest = make().put(WORDS)
    store = make()
    assert store.path(digest).read_bytes() == WORDS
    assert store.path(digest) == store.path(digest)


def check_putting_again_changes_nothing(make: Make) -> None:
    store = make()
    assert store.put(WORDS) == store.put(WORDS) == make().put(WORDS)
    assert store.digests() == [DIGEST]


def check_what_is_not_there_is_not_found(make: Make) -> None:
    for store in (make(), _used(make)):
        for ask in (store.get, store.path):
            assert DIGEST[:12] in _not_found(lambda ask=ask: ask(DIGEST))  # type: ignore[misc]
        assert not store.exists(DIGEST)


def check_only_a_digest_names_an_artifact(make: Make) -> None:
    store = _used(make)
    for name in ("", "format", "../format", DIGEST.upper(), DIGEST[:12], f"{DIGEST}\n", f"../{DIGEST}"):
        assert "64 hexadecimal digits" in _not_found(lambda name=name: store.get(name))  # type: ignore[misc]
        assert not store.exists(name)
        store.delete(name)
    assert make().digests() == [hashlib.sha256(b"another").hexdigest()]


def check_a_missing_file_cannot_be_put(make: Make) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert "expected an existing file" in _not_found(lambda: make().put(Path(folder)))
        assert "expected an existing file" in _not_found(lambda: make().put(Path(folder, "absent")))
    assert make().digests() == []


def check_deleting_forgets(make: Make) -> None:
    store = make()
    store.put(WORDS)
    other = store.put(LARGE)
    store.delete(DIGEST)
    store.delete(DIGEST)
    assert not make().exists(DIGEST)
    assert _not_found(lambda: store.get(DIGEST))
    assert make().digests() == [other]
    assert store.put(WORDS) == DIGEST
    assert make().get(DIGEST) == WORDS


def check_digests_are_sorted_and_complete(make: Make) -> None:
    store = make()
    assert store.digests() == []
    kept = [store.put(str(number).encode()) for number in range(20)]
    assert make().digests() == sorted(kept)


def check_many_writers_of_the_same_and_of_different_things(make: Make) -> None:
    def work(number: int) -> list[str]:
        store = make()
        return [store.put(LARGE + bytes([turn])) for turn in range(number, number + 5)]

    with ThreadPoolExecutor(4) as pool:
        digests = {digest for kept in pool.map(work, range(4)) for digest in kept}
    assert make().digests() == sorted(digests)
    assert len(digests) == 8
    assert all(hashlib.sha256(make().get(digest)).hexdigest() == digest for digest in digests)


def _used(make: Make) -> Artifacts:
    store = make()
    store.put(b"another")
    return store


def _not_found(act: Callable[[], object]) -> str:
    try:
        act()
    except NotFound as error:
        return error.sentence
    raise AssertionError("expected NotFound")


CHECKS: list[Callable[[Make], None]] = [
    check_bytes_come_back_under_their_digest,
    check_a_file_is_kept_as_its_bytes_are,
    check_a_path_holds_the_bytes,
    check_putting_again_changes_nothing,
    check_what_is_not_there_is_not_found,
    check_only_a_digest_names_an_artifact,
    check_a_missing_file_cannot_be_put,
    check_deleting_forgets,
    check_digests_are_sorted_and_complete,
    check_many_writers_of_the_same_and_of_different_things,
]
