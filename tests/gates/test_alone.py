"""The gate's server lives as long as the gate, and no longer."""

import signal
import subprocess
import sys
from pathlib import Path

from outlast.gates.alone import alone
from outlast.project.workspace import Workspace

KILLED = """
import os, signal, subprocess, sys
held = subprocess.Popen([sys.executable, "-m", "outlast.gates.alone", sys.argv[1]], stdin=subprocess.PIPE)
sys.stdin.read(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_says_what_memory_it_took_when_it_ends(tmp_path: Path) -> None:
    Workspace(tmp_path).home.mkdir()
    with alone(Workspace(tmp_path)) as server:
        assert server.address.startswith("http://127.0.0.1:")
    assert server.memory is not None
    assert server.memory > 10_000_000


def test_it_ends_though_the_gate_was_killed(tmp_path: Path) -> None:
    Workspace(tmp_path).home.mkdir()
    starter = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(starter, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGKILL
        assert process.stdout.read().strip().isdigit()  # at its end once the server has ended too, and said its memory
