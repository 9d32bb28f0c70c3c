"""A server of a replay ends with the replay, however that ended."""

import signal
import subprocess
import sys

import pytest

TETHERED = [sys.executable, "-m", "outlast.replaying.tethered", sys.executable, "-c"]
WAITS = "import signal, sys; print('up', flush=True); signal.pause()"
KILLED = """
import os, signal, subprocess, sys
held = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
sys.stdin.read(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_command_ends_when_its_tether_is_let_go() -> None:
    with subprocess.Popen([*TETHERED, WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) != 0


def test_a_command_ends_though_whoever_started_it_was_killed() -> None:
    starter = [sys.executable, "-c", KILLED, *TETHERED, WAITS]
    with subprocess.Popen(starter, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGKILL
        assert process.stdout.read() == b""  # at its end once nobody has it open any more, the command neither


@pytest.mark.parametrize("code", [0, 3])
def test_what_a_command_exits_with_is_passed_on(code: int) -> None:
    with subprocess.Popen([*TETHERED, f"raise SystemExit({code})"], stdin=subprocess.PIPE) as process:
        assert process.wait(60) == code
