"""Counts as bytes: all integers in as few bytes as the greatest needs, and all of it compressed."""

import zlib

import msgspec
import numpy as np

from outlast.monitoring.counting.counts import FIRST, Counts, Ints, shapes
from outlast.monitoring.counting.sums import Moments
from outlast.storage import formats
from outlast.types import FORMAT

_LEVEL = 1
_WIDTHS = ("<u1", "<u2", "<u4", "<i8")
_TOPS = tuple(np.iinfo(width).max for width in _WIDTHS)
_encode = msgspec.msgpack.Encoder().encode


class _Kept(msgspec.Struct, array_like=True):
    format: int
    features: tuple[str, ...]
    rows: int
    arrays: tuple[str, ...]
    width: str
    cells: bytes
    tallies: dict[str, int]
    moments: dict[str, tuple[int, tuple[float, ...], tuple[float, ...]]]


_decode = msgspec.msgpack.Decoder(_Kept).decode


def pack(counts: Counts) -> bytes:
    """Counts as they are stored; equal ones give equal bytes."""
    names = (*FIRST, *sorted(name for name, array in counts.more.items() if array.any()))
    whole: Ints = np.concatenate([counts.array(name).ravel() for name in names])
    width = _WIDTHS[-1] if whole.min() < 0 else _fitting(int(whole.max()))
    moments = {k: (v.n, v.total, v.squares) for k, v in sorted(counts.moments.items()) if v}
    tallies = {k: v for k, v in sorted(counts.tallies.items()) if v}
    cells = whole.astype(width).tobytes()
    kept = _Kept(FORMAT, counts.features, counts.rows, names, width, cells, tallies, moments)
    return zlib.compress(_encode(kept), _LEVEL)


def unpack(data: bytes) -> Counts:
    """Stored counts."""
    kept = formats.read(_decoded, data, "A stored count", mend="count the model's journal anew")
    shape, whole = shapes(len(kept.features)), np.frombuffer(kept.cells, kept.width).astype(np.int64)
    arrays, begin = {}, 0
    for name in kept.arrays:
        size = int(np.prod(shape[name]))
        arrays[name] = whole[begin : begin + size].reshape(shape[name])
        begin += size
    moments = {name: Moments(*one) for name, one in kept.moments.items()}
    return Counts.of(kept.features, kept.rows, arrays, kept.tallies, moments)


def _decoded(data: bytes) -> _Kept:
    return _decode(zlib.decompress(data))


def _fitting(most: int) -> str:
    return next(width for width, top in zip(_WIDTHS, _TOPS, strict=True) if most <= top)
