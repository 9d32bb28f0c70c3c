"""A past on disk: arrays in the narrowest type that holds them, compressed; equal pasts are equal bytes."""

import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt

from outlast.data.past.blocks import Blocks
from outlast.data.past.declared import Declared
from outlast.data.past.loss import LossScale
from outlast.data.past.pairs import Pairs
from outlast.data.past.past import Past, Reference, Sample, Totals
from outlast.data.past.tree import HarmTree
from outlast.storage import formats
from outlast.types import FORMAT

FILE = "past.msgpack"
Array = npt.NDArray[Any]
_Part = TypeVar("_Part", Blocks, Totals, Reference)


def to_bytes(past: Past) -> bytes:
    """The past as it is stored: arrays in the narrowest type that holds them."""
    arrays = {
        **_arrays("blocks", past.blocks),
        **(_arrays("wide", past.wide) if past.wide else {}),
        **_arrays("totals", past.totals),
        **_arrays("sample", past.sample),
    }
    kept = {
        "format": FORMAT,
        "features": list(past.features),
        "scale": past.scale,
        "tree": past.tree,
        "pairs": past.pairs,
        "arrays": {name: _packed(array) for name, array in sorted(arrays.items())},
        **({"declared": past.declared} if past.declared.words else {}),
    }
    return zlib.compress(msgspec.msgpack.encode(kept), 6)


def from_bytes(data: bytes | None) -> Past | None:
    """A stored past; None of a bundle that was made before there was one."""
    if data is None:
        return None
    kept = formats.read(_decoded, data, "A stored past", mend="take it from a version that is whole")
    arrays = {name: array.unpacked() for name, array in kept.arrays.items()}
    wide = _part(Blocks, "wide", arrays) if "wide.rows" in arrays else None
    return Past(
        tuple(kept.features),
        _part(Blocks, "blocks", arrays),
        wide,
        _part(Totals, "totals", arrays),
        kept.scale,
        kept.tree,
        kept.pairs,
        _part(Sample, "sample", arrays),
        kept.declared,
    )


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    stored: str
    used: str
    shape: tuple[int, ...]
    data: bytes

    def unpacked(self) -> Array:
        return np.frombuffer(self.data, dtype=self.stored).reshape(self.shape).astype(self.used)


class _Kept(msgspec.Struct, frozen=True):
    format: int
    features: list[str]
    scale: LossScale
    tree: HarmTree
    pairs: Pairs
    arrays: dict[str, _Packed]
    declared: Declared = Declared()


def _decoded(data: bytes) -> _Kept:
    return msgspec.msgpack.decode(zlib.decompress(data), type=_Kept)


def _packed(array: Array) -> _Packed:
    wide = array.dtype.newbyteorder("<")
    if array.dtype == np.int64 and array.size:
        low, high = int(array.min()), int(array.max())
        fits = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
        wide = next((np.dtype(one) for one in fits if np.iinfo(one).min <= low <= high <= np.iinfo(one).max), wide)
    little = array.astype(wide.newbyteorder("<"))
    return _Packed(little.dtype.str, array.dtype.str, array.shape, little.tobytes())


def _arrays(name: str, part: Blocks | Totals | Reference) -> dict[str, Array]:
    return {f"{name}.{field.name}": getattr(part, field.name) for field in fields(part)}


def _part(kind: type[_Part], name: str, arrays: Mapping[str, Array]) -> _Part:
    wanted = fields(cast(Any, kind))
    return kind(**{field.name: arrays[f"{name}.{field.name}"] for field in wanted})
