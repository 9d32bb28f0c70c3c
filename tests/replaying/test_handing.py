"""A halted story: servers hand over what they keep back, also what is written a moment later, and take up changes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from outlast.clock import halts, telling
from outlast.errors import Unavailable
from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.replaying import handing
from outlast.serving.alive import Alive
from outlast.storage.ledger.schema import models, rollouts, versions
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


def let_out(place: Workspace) -> None:
    """Version 1 is live and 2 its shadow."""
    with place.ledger.write() as connection:
        connection.execute(sa.insert(models).values(name="m", created_at=JULY))
        row = {"model": "m", "created_at": JULY, "created_by": "test", "task": "binary"}
        connection.execute(sa.insert(versions), [row | {"number": one, "digest": f"{one}" * 64} for one in (1, 2)])
        state = {"live": 1, "challenger": 2, "stage": "shadow", "sequence": 2, "updated_at": JULY}
        connection.execute(sa.insert(rollouts).values(model="m", **state))


@pytest.mark.parametrize("loads", [True, False])
def test_a_story_goes_on_once_servers_have_taken_up_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: bool
) -> None:
    place = Workspace(tmp_path)
    let_out(place)
    looks = 0

    def server(_: float) -> None:
        """What a server does between two looks: at the third it has what stands beside, or says that it cannot."""
        nonlocal looks
        looks += 1
        if looks == 3 and loads:
            served.taking(place.ledger, "m", 2, None, "one", JULY, role="shadow")
        elif looks == 3:
            served.trouble(place.ledger, "m", 2, None, server="one", at=JULY, says="no memory")

    monkeypatch.setattr("outlast.replaying.handing.time.sleep", server)
    sign = Alive(place, "one")
    handing.take_up(place, "m")
    assert looks == 0, "it serves other models"
    served.taking(place.ledger, "m", 1, None, "one", JULY)
    handing.take_up(place, "m")
    sign.close()
    assert looks == 3


def test_a_server_that_takes_nothing_up_ends_the_story_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workspace(tmp_path)
    let_out(place)
    monkeypatch.setattr("outlast.replaying.handing._PATIENCE", 0.0)
    sign = Alive(place, "one")
    served.taking(place.ledger, "m", 1, None, "one", JULY)
    with pytest.raises(Unavailable, match=r"has not taken up what is to answer for m within 0 s"):
        handing.take_up(place, "m")
    sign.close()
