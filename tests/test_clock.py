"""The clock of a story: told to every process, refused where it is none, harmless where it jumps."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast import clock
from outlast.clock import Face, Hand, machine, main, telling
from outlast.errors import SettingsError
from outlast.journal import reading
from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.storage.ledger import leases
from outlast.types import micros, now

JULY = datetime(2013, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAYS = "from outlast.types import now; print(now().isoformat())"


def elsewhere(**variables: str) -> str:
    """What moment it is in another process."""
    done = subprocess.run([sys.executable, "-c", SAYS], env={**os.environ, **variables}, capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_without_a_story_it_is_the_machines_moment() -> None:
    before = datetime.now(UTC)
    assert before <= now() <= machine() <= datetime.now(UTC)
    assert clock.halts() is None


def test_a_story_is_told_to_this_process_and_to_those_it_starts(tmp_path: Path) -> None:
    with telling(tmp_path / "clock", JULY) as hand:
        assert now() == JULY
        hand.set(JULY + HOUR)
        assert now() == JULY + HOUR
        assert elsewhere() == (JULY + HOUR).isoformat()
        assert machine() > JULY + timedelta(days=4000)
    assert now() > JULY + timedelta(days=4000)
    assert clock.VARIABLE not in os.environ
    assert Face(tmp_path / "clock").now() == JULY + HOUR, "it goes on showing what was set last"


def test_a_halt_is_seen_by_who_goes_by_the_clock(tmp_path: Path) -> None:
    with telling(tmp_path / "clock", JULY) as hand:
        assert clock.halts() == 0
        hand.halt()
        assert (clock.halts(), now()) == (1, JULY)


def test_a_clock_that_is_there_is_set_and_not_replaced(tmp_path: Path) -> None:
    """Whoever goes by it already would not notice another file in its place."""
    first = Hand(tmp_path / "clock", JULY)
    face = Face(tmp_path / "clock")
    Hand(tmp_path / "clock", JULY + HOUR).close()
    assert face.now() == JULY + HOUR
    first.close()


def test_it_is_set_by_hand(tmp_path: Path) -> None:
    main([str(tmp_path / "clock"), "2013-07-01T12:00"])
    assert Face(tmp_path / "clock").now() == JULY
    with pytest.raises(SystemExit, match="usage"):
        main([str(tmp_path / "clock"), "noon"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"2013-07-01", "has 10 bytes and is no clock"),
        (b"2013-07-01T12:00", "not of the years 1900 to 9998"),
        (bytes([255]) * 16, None),
    ],
)
def test_nonsense_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None, says: str | None) -> None:
    file = tmp_path / "clock"
    if content is not None:
        file.write_bytes(content)
    said = elsewhere(OUTLAST_CLOCK=str(file))
    if says is None:  # a microsecond before 1970 is a moment
        assert said == "1969-12-31T23:59:59.999999+00:00"
        return
    assert f"OUTLAST_CLOCK names {file}, " in said
    assert says in said
    assert "unset OUTLAST_CLOCK for the machine's own" in said
    with pytest.raises(SettingsError):
        Hand(file, JULY) if content is not None else Face(file)


def test_a_lease_ends_where_the_clock_jumps_ahead_and_its_holder_notices(tmp_path: Path) -> None:
    ledger = Workspace(tmp_path).ledger
    with telling(tmp_path / "clock", JULY) as hand:
        assert leases.acquire(ledger, "watch/a", "first", 60, now())
        assert not leases.acquire(ledger, "watch/a", "second", 60, now())
        hand.set(JULY + HOUR)
        assert leases.acquire(ledger, "watch/a", "second", 60, now())
        assert not leases.renew(ledger, "watch/a", "first", 60, now()), "who lost it stops"
        hand.set(JULY)  # back: the second goes on, nobody else comes in
        assert leases.renew(ledger, "watch/a", "second", 60, now())
        assert not leases.acquire(ledger, "watch/a", "third", 60, now())
        hand.set(JULY + HOUR)
        assert leases.acquire(ledger, "watch/a", "third", 60, now())
    ledger.dispose()


def test_what_was_journaled_before_and_after_a_jump_back_is_there_once(tmp_path: Path) -> None:
    """Segments are named and sealed by the machine's clock, so that a story that goes back mixes nothing up."""
    place = Workspace(tmp_path)
    moments = [JULY, JULY + 24 * HOUR, JULY - 24 * HOUR, JULY + HOUR]
    with telling(tmp_path / "clock", JULY) as hand, Journal(place) as journal:
        for number, at in enumerate(moments):
            hand.set(at)
            told = label("m", True, key=str(number), known_at=micros(JULY), at=micros(now()), origin="test")
            journal.labels([told])
            journal.rotate()
    names = [one.id for one in appendlog.segments(place.log_root, "labels/m")]
    assert names == sorted(names)
    assert names[0][:4] == f"{machine():%Y}"
    assert seal(place) == {"labels/m": 4}
    kept = reading.label_history(place, "m").collect().sort("key")
    assert kept["key"].to_list() == ["0", "1", "2", "3"]
    assert kept["at"].to_list() == moments
