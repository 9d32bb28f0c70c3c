"""The append-log: the contract suite, then killed writers, sealers that die, full disks, forks and failing syncs."""

import errno
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from outlast.errors import StorageError
from outlast.storage import appendlog
from outlast.storage import segments as segment_files
from outlast.storage.appendlog import AppendLog, read, seal, segments
from outlast.storage.checks.appendlog import CHECKS, Make, Taken
from outlast.storage.tables import Tables

WRITER = """
import sys
from pathlib import Path
from outlast.storage.appendlog import AppendLog
name, size = sys.argv[2], int(sys.argv[3])
log = AppendLog(Path(sys.argv[1]), "s", segment_bytes=200_000, sync_every=0.002)
for n in range(10_000_000):
    log.append([f"{name} {n} {i} ".encode() + b"x" * size for i in range(3)])
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""

SEALER = """
import sys, os, signal
from pathlib import Path
import polars as pl
from outlast.storage.appendlog import seal
from outlast.storage.tables import Tables
tables, dies_after = Tables(sys.argv[2]), int(sys.argv[3])
def consume(segment, payloads):
    global dies_after
    tables.append("sealed", pl.DataFrame({"record": payloads}), once=segment)
    dies_after -= 1
    if dies_after == 0:
        os.kill(os.getpid(), signal.SIGKILL)
print(seal(Path(sys.argv[1]), "s", consume))
"""


def _run(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def _kill_after(process: "subprocess.Popen[str]", lines: int) -> int:
    """Let a writer answer some times, kill it, and return the last number it gave."""
    assert process.stdout is not None
    answered = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    answered += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    return max(int(line) for line in answered if line.endswith("\n"))


def _check_batches(records: list[bytes], name: str, answered: int, size: int) -> None:
    """Each answered batch is there once, in order and whole; at most one more, which is whole too."""
    mine = [record for record in records if record.startswith(f"{name} ".encode())]
    count = len(mine) // 3
    assert count in (answered + 1, answered + 2)
    assert mine == [f"{name} {n} {i} ".encode() + b"x" * size for n in range(count) for i in range(3)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Make], None], tmp_path: Path) -> None:
    folders = itertools.count()
    check(lambda: tmp_path / str(next(folders)))


def test_a_dozen_killed_writers_lose_nothing_they_answered(tmp_path: Path) -> None:
    chance = random.Random(20130701)
    answered: dict[str, tuple[int, int]] = {}
    for pair in range(6):
        sizes = [chance.choice([10, 300, 20_000, 150_000]) for _ in range(2)]
        writers = [_run(WRITER, tmp_path, f"{pair}.{n}", size) for n, size in enumerate(sizes)]
        for n, (writer, size) in enumerate(zip(writers, sizes, strict=True)):
            answered[f"{pair}.{n}"] = (_kill_after(writer, chance.randrange(1, 400 if size < 1000 else 40)), size)
    raw = [record for segment in segments(tmp_path, "s") for record in read(segment)]
    for name, (last, size) in answered.items():
        _check_batches(raw, name, last, size)

    taken = Taken()
    assert seal(tmp_path, "s", taken) == len(raw)
    assert sorted(taken.payloads) == sorted(raw)
    assert taken.times == len(taken.segments), "no segment came twice"
    assert list((tmp_path / "s").iterdir()) == []


def test_sealing_beside_a_writer_and_dying_before_removal_keeps_each_record_once(tmp_path: Path) -> None:
    root, tables = tmp_path / "log", tmp_path / "tables"
    writer = _run(WRITER, root, "w", 200)
    assert writer.stdout is not None
    for _ in range(100):
        writer.stdout.readline()
    for dies_after in (1, 2, 1):
        sealer = _run(SEALER, root, tables, dies_after)
        sealer.communicate(timeout=60)
        assert sealer.returncode == -signal.SIGKILL
    answered = _kill_after(writer, 200)
    sealers = [_run(SEALER, root, tables, 0) for _ in range(2)]
    for sealer in sealers:
        sealer.communicate(timeout=120)
        assert sealer.returncode == 0
    assert segments(root, "s") == []
    records = Tables(str(tables)).scan("sealed").collect()["record"].to_list()
    _check_batches(sorted(records, key=lambda r: (int(r.split()[1]), int(r.split()[2]))), "w", answered, 200)


FILLS = """
import resource, sys
from pathlib import Path
from outlast.errors import StorageError
from outlast.storage.appendlog import AppendLog
root, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
log = AppendLog(root, "s")
for n in range(100):
    try:
        log.append([b"%d" % n * 100, b"%d" % n * 100])
    except StorageError as error:
        print(n, error)
        break
log.append([b"small"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append([b"room again"])
"""


def test_a_full_disk_is_told_and_nothing_half_written_remains(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FILLS, str(tmp_path), "2000"], capture_output=True, text=True, check=True
    )
    failed = int(result.stdout.split()[0])
    assert "Could not append to" in result.stdout
    assert "File too large; free some space and try again" in result.stdout
    (segment,) = segments(tmp_path, "s")
    records = read(segment)
    expected = [b"%d" % n * 100 for n in range(failed) for _ in range(2)]
    assert list(records) == [*expected, b"small", b"room again"]
    assert records.torn == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 64 KiB; a machine that forbids mounting has the test with a file size limit."""
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a disk of 64 KiB needs root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_disk_without_room_takes_whole_batches_only_and_recovers(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(20_000))
    written = []
    with AppendLog(tiny_disk, "s", segment_bytes=10_000) as log:
        for n in itertools.count():
            try:
                log.append([b"%d" % n * 700, b"%d" % n * 700])
            except StorageError:
                break
            written.append(n)
        with pytest.raises(StorageError, match="No space left on device; free some space"):
            log.append([b"x" * 9000])
        ballast.unlink()
        log.append([b"room again"])
    taken = Taken()
    seal(tiny_disk, "s", taken)
    assert taken.payloads == [*(b"%d" % n * 700 for n in written for _ in range(2)), b"room again"]
    assert len(written) > 5
    assert list((tiny_disk / "s").iterdir()) == []


def test_a_forked_child_goes_on_in_a_segment_of_its_own(tmp_path: Path) -> None:
    log = AppendLog(tmp_path, "s")
    log.append([b"parent"])
    child = multiprocessing.get_context("fork").Process(target=_append_and_close, args=(log,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    live = {segment.live: list(read(segment)) for segment in segments(tmp_path, "s")}
    assert live == {True: [b"parent"], False: [b"child"]}
    log.close()


def _append_and_close(log: AppendLog) -> None:
    log.append([b"child"])
    log.close()


def test_a_sync_that_fails_is_told_at_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = AppendLog(tmp_path, "s", sync_every=60)
    log.append([b"1"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(StorageError, match=r"Could not sync .*: Input/output error"):
            log.flush()
        log.append([b"2"])
        log._sync()
    with pytest.raises(StorageError, match="Could not sync"):
        log.append([b"3"])
    log.append([b"4"])
    log.close()
    taken = Taken()
    seal(tmp_path, "s", taken)
    assert taken.payloads == [b"1", b"2", b"4"]


def test_an_interrupt_inside_a_write_leaves_whole_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AppendLog(tmp_path, "s")
    log.append([b"1"])
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        real(fd, data[:7])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append([b"2"])
    log.append([b"3"])
    log.close()
    (segment,) = segments(tmp_path, "s")
    assert list(read(segment)) == [b"1", b"3"]


def test_a_draft_swept_away_before_it_is_locked_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = os.open, []

    def sweeping(path: str | Path, *arguments: int) -> int:
        fd = real(path, *arguments)
        if str(path).endswith(".new") and not swept:
            swept.append(path)
            Path(path).unlink()
        return fd

    log = AppendLog(tmp_path, "s")
    monkeypatch.setattr(segment_files.os, "open", sweeping)
    log.append([b"1"])
    assert len(swept) == 1
    assert [list(read(segment)) for segment in segments(tmp_path, "s")] == [[b"1"]]
    log.close()


def test_drafts_of_dead_writers_are_swept(tmp_path: Path) -> None:
    draft = tmp_path / "s" / "20130701T000000.000000Z-host-1-0.new"
    draft.parent.mkdir()
    draft.write_bytes(b"")
    assert segments(tmp_path, "s") == []
    assert seal(tmp_path, "s", Taken()) == 0
    assert not draft.exists()


def test_a_later_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with AppendLog(tmp_path, "s") as log:
        log.append([b"1"])
    (segment,) = segments(tmp_path, "s")
    data = bytearray(segment.path.read_bytes())
    data[8] = 2
    segment.path.write_bytes(data)
    with pytest.raises(StorageError, match="has format 2, this Outlast reads up to 1: seal it with the Outlast"):
        list(read(segment))


def test_bytes_left_out_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with AppendLog(tmp_path, "s") as log:
        log.append([b"1"])
    (segment,) = segments(tmp_path, "s")
    with segment.path.open("ab") as file:
        file.write(b"torn")
    taken = Taken()
    seal(tmp_path, "s", taken)
    assert taken.payloads == [b"1"]
    assert "Left out the last 4 bytes" in caplog.text


def test_sealed_segments_become_rows_of_a_table_once(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path / "tables"))
    with AppendLog(tmp_path, "s", segment_bytes=100) as log:
        for n in range(20):
            log.append([b"%020d" % n])

    def consume(segment: str, payloads: list[bytes]) -> None:
        for _ in range(2):
            tables.append("rows", pl.DataFrame({"n": [int(payload) for payload in payloads]}), once=segment)

    assert seal(tmp_path, "s", consume) == 20
    assert tables.scan("rows").collect()["n"].sort().to_list() == list(range(20))


def test_a_segment_is_made_aside_before_the_one_before_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers: list[str] = []
    begun, real = threading.Semaphore(0), appendlog.create

    def create(folder: Path) -> tuple[Path, int, int]:
        makers.append(threading.current_thread().name)
        if len(makers) > 1:
            begun.release()
        return real(folder)

    monkeypatch.setattr(appendlog, "create", create)
    written = [b"%d " % n + b"x" * 400 for n in range(30)]
    with AppendLog(tmp_path, "s", segment_bytes=3_000, sync_every=0.001) as log:
        half_full = None
        for record in written:
            log.append([record])
            if log._size >= 1_500 and half_full != log._path:
                half_full = log._path
                assert begun.acquire(timeout=60)
        assert makers[0] == "MainThread"
        assert set(makers[1:]) == {"outlast-log-sync"}
        assert [record for segment in segments(tmp_path, "s") for record in read(segment)] == written
    taken = Taken()
    assert seal(tmp_path, "s", taken) == 30
    assert list((tmp_path / "s").iterdir()) == []


def test_one_that_cannot_be_made_aside_is_made_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()
    real = appendlog.create

    def create(folder: Path) -> tuple[Path, int, int]:
        if threading.current_thread() is not threading.main_thread():
            tried.set()
            raise OSError(28, "No space left on device")
        return real(folder)

    monkeypatch.setattr(appendlog, "create", create)
    with AppendLog(tmp_path, "s", segment_bytes=1_000, sync_every=0.001) as log:
        log.append([b"x" * 700])
        assert tried.wait(60)
        log.append([b"y" * 700])
        assert [record for segment in segments(tmp_path, "s") for record in read(segment)] == [b"x" * 700, b"y" * 700]
