"""Counts as bytes: small integers in as few bytes as they need, zeros not at all, and all of it compressed."""

import zlib
from typing import Any

import msgspec
import numpy as np

from outlast.errors import StorageError
from outlast.monitoring.counting.counts import FIRST, Counts, Ints, shapes
from outlast.monitoring.counting.sums import Moments

FORMAT = 1
_LEVEL = 1
_WIDTHS = ("<u1", "<u2", "<u4", "<i8")
_encode = msgspec.msgpack.Encoder().encode


class _Kept(msgspec.Struct, array_like=True):
    format: int
    features: tuple[str, ...]
    rows: int
    arrays: dict[str, tuple[str, bytes]]
    tallies: dict[str, int]
    moments: dict[str, tuple[int, tuple[float, ...], tuple[float, ...]]]


_decode = msgspec.msgpack.Decoder(_Kept).decode


def pack(counts: Counts) -> bytes:
    """Counts as they are stored; equal ones give equal bytes."""
    arrays = {name: _packed(counts.array(name)) for name in (*FIRST, *sorted(counts.more)) if counts.array(name).any()}
    moments = {k: (v.n, v.total, v.squares) for k, v in sorted(counts.moments.items()) if v}
    tallies = {k: v for k, v in sorted(counts.tallies.items()) if v}
    return zlib.compress(_encode(_Kept(FORMAT, counts.features, counts.rows, arrays, tallies, moments)), _LEVEL)


def unpack(data: bytes) -> Counts:
    """Stored counts."""
    try:
        kept = _decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StorageError(f"Stored counts cannot be read ({error}): count the model's journal anew") from error
    if kept.format > FORMAT:
        raise StorageError(f"Counts have format {kept.format}, this Outlast reads up to {FORMAT}: upgrade Outlast")
    shape = shapes(len(kept.features))
    arrays = {name: _unpacked(packed, shape[name]) for name, packed in kept.arrays.items()}
    moments = {name: Moments(*one) for name, one in kept.moments.items()}
    return Counts.of(kept.features, kept.rows, arrays, kept.tallies, moments)


def _packed(array: Ints) -> tuple[str, bytes]:
    low, high = int(array.min()), int(array.max())
    kind = next(w for w in _WIDTHS if np.iinfo(w).min <= low and high <= np.iinfo(w).max)
    return kind, array.astype(kind).tobytes()


def _unpacked(packed: tuple[str, bytes], shape: tuple[int, ...]) -> Any:
    kind, data = packed
    return np.frombuffer(data, kind).astype(np.int64).reshape(shape)
