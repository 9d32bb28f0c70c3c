"""What is stored is read, or refused in a sentence that says how to mend it."""

import zlib

import msgspec
import pytest

from outlast.errors import StorageError
from outlast.storage.formats import read


class Note(msgspec.Struct, frozen=True):
    format: int
    says: str = ""


def decoded(data: bytes) -> Note:
    return msgspec.msgpack.decode(zlib.decompress(data), type=Note)


def stored(**values: object) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(values))


def test_what_is_stored_is_read() -> None:
    assert read(decoded, stored(format=1, says="yes"), "A note", mend="write it anew") == Note(1, "yes")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not packed", "A note cannot be read: .+; write it anew"),
        (zlib.compress(b"\xc1"), "A note cannot be read: .+; write it anew"),
        (stored(says="yes"), "A note cannot be read: .*`format`.*; write it anew"),
        (stored(format=2), "A note has format 2, this Outlast reads up to 1: use the one that wrote it"),
    ],
)
def test_what_is_broken_or_of_a_later_release_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(StorageError, match=f"^{said}$"):
        read(decoded, data, "A note", mend="write it anew")
