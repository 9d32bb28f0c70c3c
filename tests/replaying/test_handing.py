"""A halted story: servers hand over what they keep back, also what is written a moment later."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.clock import halts, telling
from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.replaying import handing
from outlast.types import micros

JULY = datetime(2013, 7, 1, tzinfo=UTC)


def test_what_is_written_after_a_halt_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(tmp_path)
    place.home.mkdir()
    with telling(place.home / "clock", JULY) as hand, Journal(place) as journal:
        seen = 0

        def told(key: str) -> None:
            journal.labels([label("m", True, key=key, known_at=micros(JULY), at=micros(JULY), origin="test")])

        def server(_: float) -> None:
            """What a server does between two looks: it rotates once a halt, and a shadow speaks after the first."""
            nonlocal seen
            if halts() != seen:
                seen = halts() or 0
                journal.rotate()
                if seen == 1:
                    told("late")

        told("in time")
        monkeypatch.setattr("outlast.replaying.handing.time.sleep", server)
        handing.hand_over(place, hand)
        assert seen == 2
    assert seal(place) == {"labels/m": 2}
