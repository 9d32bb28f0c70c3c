"""What the processes of a server know of each other."""

import mmap
import os
import socket
import tempfile

from outlast.serving.workers.station import VARIABLE, Board, Load, Station, described, station


def test_alone_it_is_the_only_one() -> None:
    alone = Station()
    assert (alone.shared, alone.of, alone.others_ready) == (False, 1, 0)
    assert alone.with_others(Load(3, 4)) == Load(3, 4)
    assert not alone.leaving
    alone.leave()
    assert alone.leaving


def test_nobody_started_it() -> None:
    assert station({"HOME": "/"}) is None


def test_processes_see_how_the_others_are() -> None:
    board = Board(bytearray(Board.size(3)), 3)
    one, two, three = (Station(board, slot) for slot in range(3))
    for each in (one, two, three):
        each.note(Load(2), ready=True)
    assert one.others_ready == 0  # none of them takes requests yet
    for each in (two, three):
        each.open()
        each.note(Load(each.slot, 5), ready=True)
    assert (one.others_ready, two.others_ready) == (2, 1)
    assert (one.with_others(Load(7)), three.with_others(Load())) == (Load(10, 10), Load(3, 5))
    two.leave()
    assert (one.others_ready, two.leaving, one.leaving) == (1, True, False)
    two.note(Load(), ready=True)
    assert one.others_ready == 1
    board.clear(2)
    assert (one.others_ready, one.with_others(Load(1))) == (0, Load(1))
    board.leave()
    assert one.leaving
    assert three.leaving


def test_a_worker_finds_its_place_and_keeps_it_from_what_it_starts() -> None:
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as file, ours:
        file.truncate(Board.size(2))
        given, channel = os.dup(file.fileno()), theirs.detach()
        for fd in (given, channel):
            os.set_inheritable(fd, True)
        environ = {VARIABLE: described(1, 2, board=given, channel=channel, counts="/counts", ports=(8000, None))}
        found = station(environ)
        assert found is not None
        assert environ == {}
        assert not os.get_inheritable(given)
        assert not os.get_inheritable(channel)
        assert (found.slot, found.of, found.shared, found.port, found.grpc_port) == (1, 2, True, 8000, None)
        found.open()
        found.note(Load(4), ready=True)
        board = Board(mmap.mmap(file.fileno(), Board.size(2)), 2)
        assert (board.ready(), board.load(1)) == ([False, True], Load(4))
        found.say("Answering")
        assert ours.recv(64) == b"Answering\n"
        os.close(given)
        assert found._channel is not None
        found._channel.close()
