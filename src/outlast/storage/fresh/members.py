"""How a fact is spelt as one member of a sorted set, so that the order of bytes is that of moment and key.

A member of an entity's facts is its moment, its key, the moment it is superseded, and what it says. A moment is eight
bytes, greatest first, moved by 2^63 so that those before 1970 come first. A key ends with two zero bytes; a zero byte
in it is followed by 255, so that no key is the beginning of another. Nothing that is text holds a byte 255.
"""

import struct

from outlast.storage.fresh.store import Version

END = b"\xff"
"""After every text, and no text itself."""
ENDLESS = b"\xff" * 8
"""Superseded by nothing."""
EVER = -(2**63)
_HALF = 2**63
_STOP = b"\x00\x00"
_moment = struct.Struct(">Q")


def ordered(moment: int) -> bytes:
    """A moment as eight bytes in its order.

    >>> ordered(-1) < ordered(0) < ordered(255) < ordered(256)
    True
    """
    return _moment.pack(moment + _HALF)


def ordered_back(data: bytes) -> int:
    """The moment again."""
    moment: int = _moment.unpack(data)[0]
    return moment - _HALF


def spelt(key: str) -> bytes:
    """A key in its order, which no other key begins with.

    >>> sorted(map(spelt, ["a", "a\\x00", "ab", ""])) == [spelt(one) for one in ["", "a", "a\\x00", "ab"]]
    True
    """
    return key.encode().replace(b"\x00", b"\x00\xff") + _STOP


def version_of(member: bytes) -> Version:
    """The fact that a member spells."""
    end = member.index(_STOP, 8)
    superseded = member[end + 2 : end + 10]
    return Version(
        ordered_back(member[:8]),
        member[8:end].replace(b"\x00\xff", b"\x00").decode(),
        member[end + 10 :],
        None if superseded == ENDLESS else ordered_back(superseded),
    )


def from_moment(moment: int) -> bytes:
    """The bound of facts known at a moment or later."""
    return b"[" + ordered(moment)


def before_moment(moment: int) -> bytes:
    """The bound of facts known before a moment."""
    return b"(" + ordered(moment)


def after(moment: int, key: str) -> bytes:
    """The bound of facts that come after one."""
    return b"(" + ordered(moment) + spelt(key)[:-1] + b"\x01"
