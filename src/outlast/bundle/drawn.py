"""Random names, drawn many at a time: a call to the system for each costs as much as decoding a request."""

import os
from collections import deque

_BYTES, _AT_ONCE = 8, 128
_waiting: deque[str] = deque()
os.register_at_fork(after_in_child=_waiting.clear)


def drawn() -> str:
    """Sixteen hexadecimal digits that nobody can foresee and no other call gives; threads may share it.

    >>> len(drawn()), drawn() == drawn()
    (16, False)
    """
    try:
        return _waiting.pop()
    except IndexError:
        some = os.urandom(_BYTES * _AT_ONCE).hex()
        _waiting.extend(some[at : at + 2 * _BYTES] for at in range(2 * _BYTES, len(some), 2 * _BYTES))
        return some[: 2 * _BYTES]
