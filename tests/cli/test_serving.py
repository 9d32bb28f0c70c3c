"""serve and up as people run them: a process of their own that answers until it is told to stop."""

import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROW = {
    "placed_at": "2025-06-02T15:00:00Z",
    "warehouse": "south",
    "carrier": "Parcelo",
    "weight_kg": 7.5,
    "distance_km": 340,
    "promised_days": 2,
}


@contextmanager
def started(folder: Path, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A command that goes on, and the address it printed; killed at the end if it is still there."""
    command = [sys.executable, "-m", "outlast", *words, "--port", "0"]
    errors = folder / "errors.txt"
    with (
        errors.open("w") as said,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=said, bufsize=0) as process,
    ):
        try:
            yield process, _address(process, errors)
        finally:
            process.kill()


def _address(process: "subprocess.Popen[bytes]", errors: Path) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        printed, deadline = "", time.monotonic() + 120
        while not (found := re.search(r"http://[\d.]+:\d+", printed)):
            assert time.monotonic() < deadline, printed
            assert ready.select(120), errors.read_text()
            line = process.stdout.readline().decode()  # not buffered: what is read is what was waited for
            assert line, errors.read_text()
            printed += line
    assert "late-orders@1" in printed
    return found[0]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_it_is_told_to_stop(folder: Path, run, how: signal.Signals) -> None:
    with started(folder, "serve") as (process, address):
        answer = httpx.post(f"{address}/predict/late-orders", json=ROW, timeout=60)
        assert answer.status_code == 200
        assert (answer.json()["model"], answer.json()["version"]) == ("late-orders", 1)
        process.send_signal(how)
        assert process.wait(60) == 0
    assert "Traceback" not in (folder / "errors.txt").read_text()
    (span,) = run("history", "--json").json["served"]
    assert span["until"] is not None


def test_up_ticks_beside_the_server(folder: Path, run) -> None:
    with started(folder, "up", "--every", "1s") as (process, address):
        httpx.post(f"{address}/predict/late-orders", json=ROW, timeout=60).raise_for_status()
        with httpx.Client(base_url=address, timeout=60) as client:
            deadline = time.monotonic() + 120
            while not _leased(folder):
                assert time.monotonic() < deadline, (folder / "errors.txt").read_text()
                client.get("/livez").raise_for_status()
                threading.Event().wait(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "Traceback" not in (folder / "errors.txt").read_text()
    assert [span["until"] is None for span in run("history", "--json").json["served"]] == [False]
    run("tick")
    assert run("monitor", "--json").json["total"]["rows"] == 1


def test_up_takes_workers_and_ticks_above_them(folder: Path, run) -> None:
    with started(folder, "up", "--workers", "2", "--every", "1s") as (process, address):
        assert httpx.get(f"{address}/readyz", timeout=60).json()["workers"] == {"ready": 2, "of": 2}
        deadline = time.monotonic() + 120
        while not _leased(folder):
            assert time.monotonic() < deadline, (folder / "errors.txt").read_text()
            threading.Event().wait(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "Traceback" not in (folder / "errors.txt").read_text()
    assert [span["until"] is None for span in run("history", "--json").json["served"]] == [False, False]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WORKERS", "two", "a whole number such as 2"),
        ("WORKERS", "0", "a whole number"),
        ("LEAVE", "five", "a length of time such as 5s"),
    ],
)
def test_a_setting_of_serving_that_is_no_number_is_a_sentence(
    run, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"OUTLAST_{name}", value)
    done = run("serve")
    assert done.code == 2
    assert f"OUTLAST_{name} is '{value}': expected {expected}" in done.err


WAITS = """
import threading
from outlast.cli import main
from outlast.retraining import tick

def wait(*_):
    print("at it", flush=True)
    threading.Event().wait(60)

tick.FIRST = {"seal": wait}
main(["tick"])
"""


def test_a_tick_that_is_told_to_end_gives_its_lease_back(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        assert _leased(folder)
        process.terminate()
        assert process.wait(60) == 143
    assert not _leased(folder)


ROUND = """
from datetime import UTC, datetime

import polars as pl

from outlast.cli import main
from outlast.retraining import tick

def work(*_):
    frame = pl.DataFrame({f"at {i}": [datetime(2024, 1, 1, tzinfo=UTC)] for i in range(500)}).lazy()
    print("at it", flush=True)
    while True:
        frame.collect_schema()

tick.FIRST = {"seal": work}
main(["tick"])
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_end_waits_for_native_code_that_has_called_python_back(folder: Path, how: signal.Signals, code: int) -> None:
    line = [sys.executable, "-c", ROUND]
    with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "panicked" in said, "Traceback" in said) == (code, False, False), said
    assert not _leased(folder)


def _leased(folder: Path) -> bool:
    """Whether a tick has begun: it leaves a lease while it works, and a window when it has counted."""
    import sqlalchemy as sa

    from outlast.project.workspace import Workspace
    from outlast.storage.ledger.schema import leases

    with Workspace.find(folder).ledger.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(leases)) != 0


@pytest.mark.parametrize("command", ["serve", "up"])
def test_an_address_that_others_can_reach_is_refused(run, folder: Path, command: str) -> None:
    done = run(command, "--host", "0.0.0.0", "--port", "0")
    assert (done.code, "nobody holds a token" in done.err) == (3, True)


def test_what_is_no_address_or_one_port_for_two_is_a_sentence(run, folder: Path) -> None:
    assert "There is no address 'no.such.host.invalid' here" in run("serve", "--host", "no.such.host.invalid").err
    done = run("serve", "--port", "8123", "--grpc-port", "8123")
    assert (done.code, "--grpc-port is 8123, as --port is" in done.err) == (2, True)


def test_a_tick_every_blink_is_refused(run, folder: Path) -> None:
    assert "expected a second or more" in run("up", "--every", "10ms").err
    assert "is not a length of time" in run("up", "--every", "often").err


def test_a_port_in_use_is_a_sentence(folder: Path, run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("serve", "--port", str(other.getsockname()[1]))
    assert (done.code, "choose another port" in done.err) == (1, True)
