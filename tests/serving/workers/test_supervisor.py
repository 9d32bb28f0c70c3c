"""The process above workers, with workers that only do what a case needs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import children, eventually

_BEGIN = """
import json, os, signal, socket, sys, threading
known = json.loads(os.environ["OUTLAST_WORKER"])
channel = socket.socket(fileno=known["channel"])
def ready(): channel.sendall(b"ready %d\\n" % os.getpid())
def until_left():
    while channel.recv(1): pass
"""


@contextmanager
def supervised(
    folder: Path, worker: str, of: int = 2, patience: float = 60.0, hangs: float = 60.0, *, site: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    script = folder / "worker.py"
    script.write_text(_BEGIN + worker)
    runner = str(Path(__file__).with_name("supervised.py"))
    command = [
        sys.executable,
        runner,
        str(of),
        str(patience),
        str(hangs),
        sys.executable,
        *([] if site else ["-S"]),
        str(script),
    ]
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, "TMPDIR": str(folder)}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def test_the_word_goes_out_once_all_are_ready(tmp_path: Path) -> None:
    with supervised(tmp_path, "ready(); until_left()", of=3) as process:
        first = line(process).removeprefix("ready ")
        assert len(children(process.pid)) == 3
        assert int(first) in children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert (process.wait(60), line(process)) == (0, "")


def test_a_first_worker_that_fails_ends_it_with_its_code_and_its_words_once(tmp_path: Path) -> None:
    with supervised(tmp_path, "print('no such workspace', file=sys.stderr); sys.exit(5)", of=4) as process:
        assert (line(process), process.wait(60)) == ("", 5)
    assert said(tmp_path).count("no such workspace") == 1


@pytest.mark.parametrize(
    ("dies", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os._exit(7)", "ended with 7"),
        ("sys.exit(0)", "ended with 0"),
    ],
)
def test_one_that_dies_is_replaced_in_its_place(tmp_path: Path, dies: str, how: str) -> None:
    marker = tmp_path / "died"
    worker = f"""
ready()
if known["slot"] == 1 and not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    {dies}
until_left()
"""
    with supervised(tmp_path, worker) as process:
        line(process)
        eventually(lambda: "another takes its place now" in said(tmp_path))
        eventually(lambda: len(children(process.pid)) == 2)
        assert how in said(tmp_path)
        assert "Worker 2 of 2" in said(tmp_path)


def test_one_that_dies_at_once_again_and_again_is_waited_for_longer_each_time(tmp_path: Path) -> None:
    with supervised(tmp_path, "if known['slot'] == 0: ready(); until_left()\nos._exit(3)") as process:
        eventually(lambda: said(tmp_path).count("ended with 3") == 5)
        assert len(children(process.pid)) == 1
    assert re.findall(r"another takes its place (now|in .*)", said(tmp_path)) == [
        "now",
        "in 0.5 s",
        "in 1 s",
        "in 2 s",
        "in 4 s",
    ]
    assert "5 times in a row at once" in said(tmp_path)


_TURNS = """
import faulthandler, mmap
from outlast.serving.workers.station import Board
faulthandler.enable()
board = Board(mmap.mmap(known["board"], Board.size(known["of"])), known["of"])
def turn_until_left():
    channel.settimeout(0.05)
    while True:
        board.turn(known["slot"])
        try:
            if not channel.recv(1):
                return
        except TimeoutError:
            pass
def hang():
    channel.recv(1)
    sys.exit()
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_one_that_takes_no_requests_says_where_it_is_and_is_replaced(tmp_path: Path, stubborn: bool) -> None:
    marker = tmp_path / "hung"
    worker = f"""{_TURNS}
if {stubborn}:
    faulthandler.disable(); signal.signal(signal.SIGABRT, signal.SIG_IGN)
ready()
if known["slot"] == 1 and not os.path.exists({str(marker)!r}):
    open({str(marker)!r}, "w").close()
    hang()
turn_until_left()
"""
    with supervised(tmp_path, worker, hangs=1.0, site=True) as process:
        line(process)
        first, second = children(process.pid)
        eventually(lambda: "another takes its place now" in said(tmp_path))
        eventually(lambda: len(children(process.pid)) == 2)
        assert first in children(process.pid)
        assert second not in children(process.pid)
    words = said(tmp_path)
    assert f"Worker 2 of 2 (process {second}) took no request for 1 s: it is ended" in words
    assert f"was ended by {'SIGKILL' if stubborn else 'SIGABRT'}" in words
    assert ("in hang" in words) is not stubborn


_STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def test_a_second_signal_ends_those_that_would_not(tmp_path: Path) -> None:
    with supervised(tmp_path, _STUBBORN + "ready(); until_left()") as process:
        line(process)
        left = children(process.pid)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        assert not any(alive(pid) for pid in left)


def test_those_that_do_not_end_in_time_are_ended(tmp_path: Path) -> None:
    with supervised(tmp_path, _STUBBORN + "ready(); until_left()", patience=0.2) as process:
        line(process)
        left = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not any(alive(pid) for pid in left)


def test_what_a_killed_one_left_is_taken_away_by_the_next(tmp_path: Path) -> None:
    worker = "open(known['counts'] + '/counter_0.db', 'w').close(); ready(); until_left()"
    with supervised(tmp_path, worker, of=1) as process:
        line(process)
        process.kill()
        process.wait()
    (left,) = tmp_path.glob("outlast-workers-*")
    with supervised(tmp_path, worker, of=1) as process:
        line(process)
        (other,) = tmp_path.glob("outlast-workers-*")
        assert other != left
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert not list(tmp_path.glob("outlast-workers-*"))


def test_workers_learn_that_it_is_gone(tmp_path: Path) -> None:
    with supervised(tmp_path, "ready(); until_left()") as process:
        line(process)
        left = children(process.pid)
        process.kill()
        eventually(lambda: not any(alive(pid) for pid in left))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be seen does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    finally:
        assert pid != os.getpid()
