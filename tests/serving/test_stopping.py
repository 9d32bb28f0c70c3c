"""When a server ends after it was told to."""

import signal
import socket
from pathlib import Path

import pytest
from late_project import promote
from running import eventually, running

from outlast.project.workspace import Workspace
from outlast.serving.stopping import LIMIT, Stopping
from outlast.serving.workers.station import Station


@pytest.mark.parametrize(
    ("number", "leave", "at_once"),
    [(signal.SIGTERM, 0.0, True), (signal.SIGTERM, 1e3, False), (signal.SIGINT, 1e3, True)],
)
def test_sigterm_leaves_time_to_look_away_and_ctrl_c_does_not(number: int, leave: float, at_once: bool) -> None:
    station = Station()
    stopping = Stopping(station, leave)
    assert not stopping.due
    assert stopping.told(number)
    assert (station.leaving, stopping.due) == (True, at_once)


@pytest.mark.parametrize("leave", [0.0, 5.0, 1e3])
def test_looking_away_is_part_of_the_limit(leave: float) -> None:
    assert 1 <= Stopping(Station(), leave).drain <= LIMIT - min(leave, LIMIT - 1)


def test_a_second_signal_waits_for_no_request(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    with running(folder) as server, server.connect() as caller:
        caller.sendall(b"POST /predict/late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(server.port))
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) in (0, 128 + signal.SIGTERM)


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False
