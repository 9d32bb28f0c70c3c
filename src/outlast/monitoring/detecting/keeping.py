"""A bank's state as bytes: the same state, the same bytes."""

import zlib
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from outlast.monitoring.detecting.bank import State, Track
from outlast.monitoring.detecting.bets import Bet
from outlast.monitoring.detecting.course import PARTS
from outlast.storage import formats
from outlast.types import FORMAT

_ARRAYS = ("log_r", "log_m", "began", "rows")


def to_bytes(state: State) -> bytes:
    """The state, to be kept."""
    tracks = {name: _plain(track) for name, track in sorted(state.tracks.items())}
    packed = msgspec.msgpack.encode({"format": FORMAT, "checks": state.checks, "tracks": tracks}, order="deterministic")
    return zlib.compress(packed, 1)


def from_bytes(data: bytes) -> State:
    """A kept state; `Bank.resume` fits it to a bank."""
    kept = formats.read(_decoded, data, "A detector's state", mend="remove it to begin anew")
    return State({name: _track(track) for name, track in kept.tracks.items()}, kept.checks)


class _Kept(msgspec.Struct, frozen=True):
    format: int
    checks: int
    tracks: dict[str, Any]


def _decoded(data: bytes) -> _Kept:
    return msgspec.msgpack.decode(zlib.decompress(data), type=_Kept)


def _plain(track: Track) -> dict[str, Any]:
    names = _ARRAYS if track.course is None else (*_ARRAYS, "course")
    arrays = {name: np.ascontiguousarray(getattr(track, name)).astype("<f8").tobytes() for name in names}
    return {"keys": list(track.keys), "bets": [list(asdict(bet).values()) for bet in track.bets], **arrays}


def _track(kept: dict[str, Any]) -> Track:
    shape = (len(kept["keys"]), len(kept["bets"]))
    arrays: dict[str, Any] = {name: np.frombuffer(kept[name], "<f8").reshape(shape).copy() for name in _ARRAYS}
    arrays["began"] = arrays["began"].astype(np.int64)
    bets = tuple(Bet(what, direction, tuple(cells), size) for what, direction, cells, size in kept["bets"])
    if "course" in kept:
        arrays["course"] = np.frombuffer(kept["course"], "<f8").reshape(len(kept["keys"]), -1, PARTS).copy()
    return Track(tuple(kept["keys"]), bets, **arrays)
