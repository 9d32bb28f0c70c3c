"""What the append-log must do on every kind of disk it is put on.

Each check takes `make`, a function that returns an empty folder on the disk under test.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from outlast.errors import NotFound, OutlastError, StorageError
from outlast.storage.appendlog import AppendLog, read, seal, segments

Make = Callable[[], Path]


class Taken:
    """A consumer that remembers segments by id, as a table does."""

    def __init__(self) -> None:
        self.segments: dict[str, list[bytes]] = {}
        self.times = 0

    def __call__(self, segment: str, payloads: list[bytes]) -> None:
        self.times += 1
        self.segments.setdefault(segment, payloads)

    @property
    def payloads(self) -> list[bytes]:
        return [payload for segment in sorted(self.segments) for payload in self.segments[segment]]


def _refused(error: type[OutlastError], act: Callable[[], object]) -> str:
    try:
        act()
    except error as refusal:
        return str(refusal)
    raise AssertionError(f"expected {error.__name__}, nothing was refused")


def check_records_are_read_in_order_while_the_log_is_open(make: Make) -> None:
    root = make()
    with AppendLog(root, "labels/late-arrivals") as log:
        log.append([b"1", b"", b"\x00" * 5000])
        log.append([])
        log.append([b"2"])
        (segment,) = segments(root, "labels/late-arrivals")
        assert segment.live
        assert list(read(segment)) == [b"1", b"", b"\x00" * 5000, b"2"]
    (segment,) = segments(root, "labels/late-arrivals")
    assert segment.sealed


def check_only_finished_segments_are_sealed(make: Make) -> None:
    root, taken = make(), Taken()
    with AppendLog(root, "s") as log:
        log.append([b"1", b"2"])
        log.rotate()
        log.append([b"3"])
        assert seal(root, "s", taken) == 2
        assert taken.payloads == [b"1", b"2"]
        assert [segment.live for segment in segments(root, "s")] == [True]
    assert seal(root, "s", taken) == 1
    assert taken.payloads == [b"1", b"2", b"3"]
    assert segments(root, "s") == []
    assert seal(root, "s", taken) == 0


def check_a_log_without_records_leaves_nothing(make: Make) -> None:
    root, taken = make(), Taken()
    with AppendLog(root, "s") as log:
        log.rotate()
        log.flush()
    assert segments(root, "s") == []
    assert segments(root, "never") == []
    assert seal(root, "never", taken) == 0
    assert taken.times == 0


def check_a_long_log_goes_on_in_new_segments(make: Make) -> None:
    root, taken = make(), Taken()
    expected = [b"%04d" % n * 20 for n in range(200)]
    with AppendLog(root, "s", segment_bytes=1000) as log:
        for payload in expected:
            log.append([payload])
        log.append([b"x" * 5000])
    assert len(segments(root, "s")) > 15
    assert all(segment.path.stat().st_size <= 1100 for segment in segments(root, "s")[:-1])
    assert seal(root, "s", taken) == 201
    assert taken.payloads == [*expected, b"x" * 5000]


def check_a_consumer_that_fails_gets_the_segment_again(make: Make) -> None:
    root, taken = make(), Taken()
    with AppendLog(root, "s") as log:
        log.append([b"1"])

    def fails(segment: str, payloads: list[bytes]) -> None:
        taken(segment, payloads)
        raise StorageError("the table is away")

    assert _refused(StorageError, lambda: seal(root, "s", fails)) == "the table is away"
    assert seal(root, "s", taken) == 1
    assert (taken.times, taken.payloads) == (2, [b"1"])


def check_an_unfinished_end_is_left_out_and_counted(make: Make) -> None:
    root = make()
    with AppendLog(root, "s") as log:
        log.append([b"first"])
        kept = segments(root, "s")[0].path.stat().st_size
        log.append([b"second", b"third"])
        whole = segments(root, "s")[0].path.stat().st_size
    (segment,) = segments(root, "s")
    data = segment.path.read_bytes()
    for cut in range(kept, whole):
        segment.path.write_bytes(data[:cut])
        records = read(segment)
        assert list(records) == [b"first"], f"a batch is all or none, also cut at {cut} of {whole}"
        assert records.torn == cut - kept
    taken = Taken()
    assert seal(root, "s", taken) == 1
    assert taken.payloads == [b"first"]


def check_zeros_at_the_end_are_left_out(make: Make) -> None:
    root = make()
    with AppendLog(root, "s") as log:
        log.append([b"first"])
        log.flush()
        (segment,) = segments(root, "s")
        with segment.path.open("ab") as file:
            file.write(bytes(100))
        records = read(segment)
        assert (list(records), records.torn) == ([b"first"], 100)


def check_every_flipped_byte_is_noticed(make: Make) -> None:
    root = make()
    with AppendLog(root, "s") as log:
        log.append([b"first"])
        log.append([b"second", b"third"])
    (segment,) = segments(root, "s")
    data = segment.path.read_bytes()
    closing = len(data) - 12
    for position in range(closing):
        flipped = bytearray(data)
        flipped[position] ^= 0x20
        segment.path.write_bytes(flipped)
        sentence = _refused(StorageError, lambda: list(read(segment)))
        assert str(segment.path) in sentence
        assert "damaged at byte" in sentence or "has format" in sentence


def check_a_damaged_segment_stays_and_holds_up_no_other(make: Make) -> None:
    root, taken = make(), Taken()
    with AppendLog(root, "s") as log:
        for payload in (b"one", b"two", b"three"):
            log.append([payload])
            log.rotate()
    damaged = segments(root, "s")[1]
    data = bytearray(damaged.path.read_bytes())
    data[-20] ^= 1
    damaged.path.write_bytes(data)
    assert str(damaged.path) in _refused(StorageError, lambda: seal(root, "s", taken))
    assert taken.payloads == [b"one", b"three"]
    assert segments(root, "s") == [damaged]


def check_sealers_at_once_take_each_segment_once(make: Make) -> None:
    root = make()
    with AppendLog(root, "s", segment_bytes=100) as log:
        for n in range(60):
            log.append([b"%050d" % n])
    taken: list[tuple[str, list[bytes]]] = []
    counts: list[int] = []
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        counts.append(seal(root, "s", lambda segment, payloads: taken.append((segment, payloads))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(payload for _, payloads in taken for payload in payloads) == [b"%050d" % n for n in range(60)]
    assert sum(counts) == 60


def check_threads_share_a_log(make: Make) -> None:
    root, taken = make(), Taken()
    with AppendLog(root, "s", segment_bytes=5000, sync_every=0.001) as log:

        def work(name: bytes) -> None:
            for n in range(200):
                log.append([name, b"%d" % n])
                if n % 50 == 0:
                    log.flush()

        threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            seal(root, "s", taken)
        for thread in threads:
            thread.join()
    seal(root, "s", taken)
    names, numbers = taken.payloads[::2], taken.payloads[1::2]
    for name in (b"a", b"b", b"c"):
        assert [int(n) for who, n in zip(names, numbers, strict=True) if who == name] == list(range(200))


def check_misuse_is_refused(make: Make) -> None:
    root = make()
    log = AppendLog(root, "s")
    log.append([b"1"])
    log.close()
    log.close()
    assert "is closed" in _refused(StorageError, lambda: log.append([b"2"]))
    (segment,) = segments(root, "s")
    assert list(read(segment)) == [b"1"]
    segment.path.unlink()
    assert "it was sealed" in _refused(NotFound, lambda: read(segment))
    for stream in ("", "../up", "/etc", "a//b", ".hidden"):
        assert "cannot name a stream" in _refused(StorageError, lambda s=stream: AppendLog(root, s))  # type: ignore[misc]


CHECKS: list[Callable[[Make], None]] = [
    check_records_are_read_in_order_while_the_log_is_open,
    check_only_finished_segments_are_sealed,
    check_a_log_without_records_leaves_nothing,
    check_a_long_log_goes_on_in_new_segments,
    check_a_consumer_that_fails_gets_the_segment_again,
    check_an_unfinished_end_is_left_out_and_counted,
    check_zeros_at_the_end_are_left_out,
    check_every_flipped_byte_is_noticed,
    check_a_damaged_segment_stays_and_holds_up_no_other,
    check_sealers_at_once_take_each_segment_once,
    check_threads_share_a_log,
    check_misuse_is_refused,
]
