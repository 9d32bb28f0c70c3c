"""The zip of a version: equal contents are equal bytes, and no change of any byte goes unnoticed."""

import io
import random
import subprocess
import sys
import zipfile
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from outlast.bundle.format import MANIFEST, Bundle, encode, pack, unpack
from outlast.errors import StorageError
from outlast.types import FORMAT, digest_of

CONTENT = {"model/native.pkl": bytes(range(256)) * 3, "golden.json": b'[{"a":1}]', "code/model.py": b"model = 1\n"}
WHOLE = pack({"model": "late", "asks": ["a", "b"]}, CONTENT)


def test_what_is_packed_comes_out_again() -> None:
    bundle = unpack(WHOLE)
    assert bundle.files == CONTENT
    assert bundle.digest == digest_of(WHOLE)
    assert (bundle.manifest["format"], bundle.manifest["model"]) == (FORMAT, "late")
    assert bundle.json("golden.json") == [{"a": 1}]
    assert bundle.code.files == {"model.py": b"model = 1\n"}


def test_the_bytes_do_not_depend_on_the_order_of_files_or_keys() -> None:
    turned = dict(reversed(CONTENT.items()))
    assert pack({"asks": ["a", "b"], "model": "late"}, turned) == WHOLE


def test_the_bytes_do_not_depend_on_the_process() -> None:
    """Another process has other hashes of strings, another clock and another folder."""
    code = (
        "import sys; from outlast.bundle.format import pack;"
        "c = {'model/native.pkl': bytes(range(256)) * 3, 'golden.json': b'[{\"a\":1}]'};"
        "c['code/model.py'] = b'model = 1\\n';"
        "sys.stdout.buffer.write(pack({'model': 'late', 'asks': ['a', 'b']}, c))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd="/", env={"PYTHONHASHSEED": "5"}
    )
    assert done.stdout == WHOLE


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_is_a_sentence_or_another_identity(flip: int) -> None:
    """Bytes of the zip that hold no content (times, attributes) change the digest, by which bundles are fetched."""
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= flip
        bundle = opened(bytes(damaged))
        assert bundle is None or (bundle.digest != digest_of(WHOLE) and bundle.files == CONTENT)


def opened(data: bytes) -> Bundle | None:
    """The bundle, None where it is refused in the one way that there is."""
    with suppress(StorageError):
        return unpack(data)
    return None


def test_half_a_bundle_is_refused_wherever_it_was_cut() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(StorageError, match="is not a bundle"):
            unpack(WHOLE[:length])


def test_noise_is_not_a_bundle() -> None:
    rng = random.Random(1)
    for _ in range(200):
        with pytest.raises(StorageError, match=r"is not a bundle .* train again"):
            unpack(rng.randbytes(rng.randrange(400)))


def again(change: dict[str, bytes | None], manifest: Any = None) -> bytes:
    """The bundle with files put in, replaced or left out, its manifest as it was or as given."""
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        files: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    if manifest is not None:
        files[MANIFEST] = encode(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**files, **change}.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"golden.json": None}, "'golden.json' does not match"),
        ({"golden.json": b"[]"}, "'golden.json' does not match"),
        ({"code/extra.py": b""}, "'code/extra.py' does not match"),
        ({MANIFEST: None}, "has no manifest.json"),
        ({MANIFEST: b"[1]"}, "manifest.json: Expected `object`"),
        ({MANIFEST: b"{}"}, "manifest.json: Expected `int`"),
        ({MANIFEST: b'{"format": "1"}'}, "manifest.json: Expected `int`"),
        ({MANIFEST: b'{"format": 1, "files": []}'}, "manifest.json: Expected `object`"),
        ({MANIFEST: b"\xff"}, "manifest.json: "),
    ],
)
def test_a_missing_changed_or_extra_file_is_named(change: dict[str, bytes | None], says: str) -> None:
    with pytest.raises(StorageError) as caught:
        unpack(again(change), "Bundle 77")
    assert says in str(caught.value)


def test_a_file_that_is_there_twice_is_refused() -> None:
    buffer = io.BytesIO(WHOLE)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("golden.json", CONTENT["golden.json"])
    with pytest.raises(StorageError, match="twice"):
        unpack(buffer.getvalue())


def test_a_newer_format_is_refused_whatever_else_it_says() -> None:
    with pytest.raises(StorageError, match=rf"format {FORMAT + 1}, newer than this release reads .* upgrade"):
        unpack(again({}, {"format": FORMAT + 1, "files": "elsewhere now"}))


def test_json_is_spelt_one_way() -> None:
    assert encode({"b": 1, "a": {"d": 2, "c": 3}}) == encode({"a": {"c": 3, "d": 2}, "b": 1})
    assert msgspec.json.decode(encode({"b": 1.5})) == {"b": 1.5}
