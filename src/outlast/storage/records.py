"""The bytes of a log file: a header, then framed records, then a closing frame when the writer closed it itself.

A frame is a mark, a length with two flags, a checksum over length and payload, and the payload. Every checksum
begins from the file's own random salt, so that no payload can pass for a record.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

from outlast.errors import StorageError

FORMAT = 1
LARGEST = 1 << 30
_MAGIC = b"OUTLASTL"
_HEADER = struct.Struct("<8sIII")  # magic, format, salt, checksum of the three
_FRAME = struct.Struct("<4sII")
_WORD = struct.Struct("<I")
_MARK = b"\xa7rec"
_MORE = 0x8000_0000  # the batch goes on in the next record
_END = 0x4000_0000  # the writer closed the file here

HEADER_SIZE = _HEADER.size


def header() -> tuple[bytes, int]:
    """The first bytes of a new file, and its salt."""
    salt = int.from_bytes(os.urandom(4), "little")
    plain = _HEADER.pack(_MAGIC, FORMAT, salt, 0)[:-4]
    return plain + _WORD.pack(crc32(plain)), salt


def frames(payloads: Sequence[bytes], salt: int) -> bytes:
    """A batch of records, to be read back all or none."""
    if len(payloads) == 1:
        return _frame(payloads[0], len(payloads[0]), salt)
    last = len(payloads) - 1
    return b"".join([_frame(p, len(p) if n == last else len(p) | _MORE, salt) for n, p in enumerate(payloads)])


def closing(salt: int) -> bytes:
    """The frame that says nothing after it was lost."""
    return _frame(b"", _END, salt)


def _frame(payload: bytes, word: int, salt: int) -> bytes:
    if len(payload) >= LARGEST:
        raise StorageError(
            f"A record of {len(payload)} bytes is too long for a log: expected under {LARGEST}; split it"
        )
    return _FRAME.pack(_MARK, word, crc32(payload, crc32(_WORD.pack(word), salt))) + payload


class Records(Iterator[bytes]):
    """The records of a file in order; at the end, `torn` is how many bytes of an unfinished batch were left out."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.torn = 0
        self._path, self._data = path, data
        self._salt = _salt(path, data)
        self._walk = self._records()

    def __next__(self) -> bytes:
        return next(self._walk)

    def _records(self) -> Iterator[bytes]:
        start = position = HEADER_SIZE
        batch: list[bytes] = []
        while position < len(self._data):
            found = self._record_at(position)
            if found is None:
                self._refuse_damage(position)
                break
            payload, word = found
            position += _FRAME.size + len(payload)
            if word & _END:
                start = position
                continue
            batch.append(payload)
            if not word & _MORE:
                yield from batch
                batch, start = [], position
        self.torn = len(self._data) - start

    def _record_at(self, position: int) -> tuple[bytes, int] | None:
        start = position + _FRAME.size
        if start > len(self._data):
            return None
        mark, word, checksum = _FRAME.unpack_from(self._data, position)
        end = start + (word & ~(_MORE | _END))
        if mark != _MARK or end > len(self._data):
            return None
        payload = self._data[start:end]
        whole = crc32(payload, crc32(_WORD.pack(word), self._salt)) == checksum
        return (payload, word) if whole else None

    def _refuse_damage(self, position: int) -> None:
        """A bad record at the end is what a killed writer leaves; one that good records follow is damage."""
        later = self._data.find(_MARK, position + 1)
        while later >= 0:
            if self._record_at(later) is not None:
                raise StorageError(
                    f"The log {self._path} is damaged at byte {position}: expected a record there, and whole ones "
                    f"follow at byte {later}; restore the file, or move it out of its folder to go on without it"
                )
            later = self._data.find(_MARK, later + 1)


def _salt(path: Path, data: bytes) -> int:
    magic, kept, salt, checksum = _HEADER.unpack_from(data) if len(data) >= HEADER_SIZE else (b"", 0, 0, 0)
    if magic == _MAGIC and kept > FORMAT:
        raise StorageError(
            f"The log {path} has format {kept}, this Outlast reads up to {FORMAT}: "
            "seal it with the Outlast that wrote it"
        )
    if magic != _MAGIC or checksum != crc32(data[: HEADER_SIZE - 4]):
        raise StorageError(
            f"The log {path} is damaged at byte 0: expected the header of a log there; restore the file, or move it "
            "out of its folder to go on without it"
        )
    return int(salt)
