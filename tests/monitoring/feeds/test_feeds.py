"""Sources by themselves: what is new is counted once, and what is old, fewer, late or broken is told once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.data.schema import Schema, infer
from outlast.journal.journal import Journal, seal
from outlast.monitoring.feeds import memory as module
from outlast.monitoring.feeds.judging import judge_feed, limit_of
from outlast.monitoring.feeds.looking import Look, look, measured_lag
from outlast.monitoring.feeds.memory import Came, Memory, remembered, to_json
from outlast.project.declare import Source
from outlast.project.workspace import Workspace

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SOURCE = Source("wind", "wind.parquet", key="id", time="read_at", lag="5m")


def rows(times: list[datetime]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [str(t) for t in times], "read_at": times, "speed": [3.0] * len(times)},
        schema={"id": pl.String, "read_at": pl.Datetime("us", "UTC"), "speed": pl.Float64},
    )


SCHEMA: Schema = infer(rows([START]).lazy())


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def push(place: Workspace, times: list[datetime], *, late: timedelta = timedelta(0)) -> None:
    """Facts that come in when their lag has passed, or later."""
    with Journal(place) as journal:
        for one, row in zip(times, rows(times).to_dicts(), strict=True):
            journal.facts(SOURCE.name, [row], at=one + SOURCE.delay + late)
    seal(place)


def seen(place: Workspace, before: Memory, now: datetime, source: Source = SOURCE) -> Look:
    return look(place, source, SCHEMA, (place.root / "wind.parquet", before), now)


def hourly(days: int, *, per_hour: int = 2) -> list[datetime]:
    return [START + n * HOUR / per_hour for n in range(days * 24 * per_hour)]


def lived(place: Workspace, now: datetime) -> Memory:
    """What is remembered by one who looked each quarter of an hour of the last day."""
    memory = Memory()
    for back in range(96, -1, -1):
        memory = seen(place, memory, now - back * HOUR / 4).memory
    return memory


def kinds(found: Look, now: datetime, declared: timedelta | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.severity) for one in judge_feed(found, declared, now)]


@pytest.mark.parametrize("every", [MINUTE * 47, HOUR * 5, DAY, DAY * 3])
def test_what_was_pushed_is_counted_once_however_often_it_is_looked_at(place: Workspace, every: timedelta) -> None:
    push(place, hourly(6))
    memory, now = Memory(), START
    while now < START + 7 * DAY:
        now += every
        memory = seen(place, memory, now).memory
    days = memory.days()
    assert sum(one.rows for one in days.values()) == 6 * 48
    assert {days[(START + n * DAY).date()].rows for n in range(1, 6)} == {48}
    assert max(one.gap for one in days.values()) == 1800
    assert memory.newest == START + 6 * DAY - HOUR / 2 + SOURCE.delay


def test_rows_at_the_location_are_read_again_only_where_it_changed(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, reads = place.root / "wind.parquet", []
    rows(hourly(2)).write_parquet(file)
    import outlast.monitoring.feeds.looking as looking

    plain = looking.scan
    monkeypatch.setattr(looking, "scan", lambda *given: reads.append(1) or plain(*given))
    memory = seen(place, Memory(), START + 3 * DAY).memory
    memory = seen(place, memory, START + 3 * DAY + HOUR).memory
    assert (len(reads), memory.moves) == (1, 0)
    rows(hourly(3)).write_parquet(file)
    memory = seen(place, memory, START + 3 * DAY + 2 * HOUR).memory
    assert (len(reads), memory.moves, memory.days()[(START + DAY).date()].rows) == (2, 1, 48)


def test_a_memory_is_read_back_as_it_was_written(place: Workspace) -> None:
    push(place, hourly(2), late=HOUR)
    memory = seen(place, Memory(), START + 2 * DAY).memory
    assert module._read(to_json(memory)) == memory
    assert remembered(place.ledger, "wind") == Memory()


def test_a_feed_that_stands_still_is_told_by_what_the_contract_says_or_its_own_past(place: Workspace) -> None:
    push(place, hourly(20))
    end = START + 20 * DAY
    found = Look(SOURCE, lived(place, end))
    assert kinds(found, end) == []
    assert kinds(found, end + 2 * HOUR) == [("feed-stale", "ticket")]  # its longest gap was half an hour
    assert kinds(found, end + 2 * HOUR, declared=3 * HOUR) == []
    assert kinds(found, end + 4 * HOUR, declared=3 * HOUR) == [("feed-stale", "page")]
    (told,) = judge_feed(found, 3 * HOUR, end + 4 * HOUR)
    assert "wind has nothing newer than 2013-07-20 23:35 UTC, 4h25m ago; the contract allows 3h" in told.sentence


def test_a_file_that_never_moves_is_no_feed(place: Workspace) -> None:
    rows(hourly(30)).write_parquet(place.root / "wind.parquet")
    now = START + 400 * DAY
    found = seen(place, seen(place, Memory(), now).memory, now + DAY)
    assert kinds(found, now + DAY) == []
    assert kinds(found, now + DAY, declared=HOUR) == [("feed-stale", "page")]


@pytest.mark.parametrize(("per_hour", "told"), [(2, 0), (1, 1), (6, 1)])
def test_a_day_of_another_volume_is_told(place: Workspace, per_hour: int, told: int) -> None:
    last = [START + 20 * DAY + n * HOUR / per_hour for n in range(24 * per_hour)]
    push(place, [*hourly(20), *last])
    push(place, [START + 21 * DAY])  # the day is over, and not only unwritten
    now = START + 21 * DAY + 10 * MINUTE
    assert kinds(Look(SOURCE, lived(place, now)), now) == [("feed-volume", "ticket")] * told


def test_days_that_differ_by_chance_are_not_told() -> None:
    rng, alarms = np.random.default_rng(3), 0
    for _ in range(200):
        days = {(START + n * DAY).date(): Came(int(rng.poisson(400 * (1.3 if n % 7 < 5 else 0.6)))) for n in range(56)}
        memory = Memory(START + 56 * DAY, START + 56 * DAY, moves=9, pushed=days)
        alarms += len(judge_feed(Look(SOURCE, memory), None, START + 56 * DAY))
    assert alarms == 0


def test_facts_later_than_the_lag_says_are_told_with_the_lag_that_would_hold(place: Workspace) -> None:
    push(place, hourly(1, per_hour=20), late=40 * MINUTE)
    now = START + DAY + 50 * MINUTE
    found = seen(place, Memory(), now)
    (told,) = [one for one in judge_feed(found, None, now) if one.kind == "feed-late"]
    assert "wind: 465 of 465 facts of 2013-07-01 came later than its lag of 5m says" in told.sentence
    assert measured_lag((100, 0, 0), 0.01) == timedelta(0)


def test_a_table_that_is_written_once_a_week_is_not_late_within_it(place: Workspace) -> None:
    memory = Memory()
    for day in range(1, 60):
        if day % 7 == 0:
            rows(hourly(day)).write_parquet(place.root / "wind.parquet")
        memory = seen(place, memory, START + day * DAY + HOUR).memory
        assert kinds(Look(SOURCE, memory), START + day * DAY + HOUR) == []
    assert max(memory.waits.values()) == pytest.approx(6 * 86_400 + 3 * 1800, abs=7200)
    assert kinds(Look(SOURCE, memory), START + 75 * DAY) == [("feed-stale", "ticket")]


def test_a_column_that_is_gone_or_of_another_type_is_told(place: Workspace) -> None:
    file = place.root / "wind.parquet"
    rows([START]).drop("speed").write_parquet(file)
    (told,) = judge_feed(seen(place, Memory(), START + DAY), None, START + DAY)
    assert (told.kind, told.severity, told.sentence) == ("feed-broken", "page", "wind: its column 'speed' is gone")
    rows([START]).with_columns(pl.col("speed").cast(pl.String)).write_parquet(file)
    (told,) = judge_feed(seen(place, Memory(), START + DAY), None, START + DAY)
    assert told.sentence == "wind: its column 'speed' was Float64 and is String"
    rows([START]).with_columns(pl.col("speed").cast(pl.Int32)).write_parquet(file)
    assert judge_feed(seen(place, Memory(), START + DAY), None, START + DAY) == []


def test_a_location_that_was_there_and_is_gone_is_told(place: Workspace) -> None:
    file = place.root / "wind.parquet"
    assert seen(place, Memory(), START).memory.broken == ()  # nothing ever lay there
    rows([START]).write_parquet(file)
    memory = seen(place, Memory(), START + HOUR).memory
    file.unlink()
    assert "Source 'wind' is missing" in seen(place, memory, START + 2 * HOUR).memory.broken[0]


@pytest.mark.parametrize("every", [DAY, 20 * DAY, 100 * DAY])
@pytest.mark.parametrize("pushed", [True, False])
def test_a_feed_that_stays_silent_goes_on_being_told(place: Workspace, pushed: bool, every: timedelta) -> None:
    memory, now = Memory(), START
    for day in range(1, 21):
        if pushed:
            push(place, hourly(day)[-48:])
        else:
            rows(hourly(day)).write_parquet(place.root / "wind.parquet")
        now = START + day * DAY + HOUR
        memory = seen(place, memory, now).memory
    assert kinds(Look(SOURCE, memory), now) == []
    limit = limit_of(Look(SOURCE, memory), None)
    assert limit is not None
    silent = now + max(every, 4 * DAY)
    while silent < now + 250 * DAY:
        found = seen(place, memory, silent)
        assert kinds(found, silent) == [("feed-stale", "ticket")]
        assert limit_of(found, None) == limit
        memory, silent = found.memory, silent + every


def test_a_file_written_again_with_nothing_newer_does_not_end_the_silence(place: Workspace) -> None:
    memory = Memory()
    for day in range(1, 21):
        rows(hourly(day)).write_parquet(place.root / "wind.parquet")
        memory = seen(place, memory, START + day * DAY + HOUR).memory
    rows(hourly(20)[1:]).write_parquet(place.root / "wind.parquet")
    now = START + 200 * DAY
    assert kinds(seen(place, memory, now), now) == [("feed-stale", "ticket")]


def test_a_location_that_went_wrong_before_it_was_gone_is_still_told(place: Workspace) -> None:
    file = place.root / "wind.parquet"
    rows([START]).drop("speed").write_parquet(file)
    memory = seen(place, Memory(), START).memory
    file.unlink()
    for hour in (1, 2):
        memory = seen(place, memory, START + hour * HOUR).memory
        assert "Source 'wind' is missing" in memory.broken[0]
        assert module._read(to_json(memory)) == memory
    rows([START]).write_parquet(file)
    assert seen(place, memory, START + 3 * HOUR).memory.broken == ()
