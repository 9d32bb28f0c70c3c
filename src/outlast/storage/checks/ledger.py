"""What every ledger must do, whichever database keeps it.

Each check takes `make`, a function that opens the ledger under test; called again within one check it opens the same
ledger once more, as another process would. Every check needs an empty ledger.

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_ledger(check, tmp_path):
        check(lambda: open_ledger(f"sqlite:///{tmp_path}/ledger.db"))
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier, Event
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from outlast.errors import StorageError
from outlast.storage.ledger import Ledger, leases, lock, schema

Make = Callable[[], Ledger]
NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
WAIT = 30.0


def check_every_table_is_there(make: Make) -> None:
    with make() as ledger, ledger.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {*schema.metadata.tables, schema.VERSION_TABLE}
        assert connection.scalar(sa.select(schema.meta.c.value).where(schema.meta.c.key == "format")) == "1"


def check_a_write_is_seen_by_others(make: Make) -> None:
    with make() as one, make() as other:
        _add_model(one, "late-arrivals")
        assert _names(other) == ["late-arrivals"]


def check_an_exception_undoes_the_whole_write(make: Make) -> None:
    with make() as ledger:
        caught = _error_of(lambda: _write_then_fail(ledger))
        assert isinstance(caught, ZeroDivisionError)
        assert _names(ledger) == []
        _add_model(ledger, "after")  # the connection is usable again
        assert _names(ledger) == ["after"]


def check_a_read_sees_one_state(make: Make) -> None:
    with make() as ledger, make() as other:
        _add_model(ledger, "before")
        with ledger.read() as connection:
            assert connection.scalars(sa.select(schema.models.c.name)).all() == ["before"]
            _add_model(other, "meanwhile")
            assert connection.scalars(sa.select(schema.models.c.name)).all() == ["before"]
        assert _names(ledger) == ["before", "meanwhile"]


def check_a_read_refuses_to_write(make: Make) -> None:
    with make() as ledger:
        caught = _error_of(lambda: _write_while_reading(ledger))
        assert isinstance(caught, StorageError)
        assert "opened for reading" in caught.sentence
        _add_model(ledger, "after")
        assert _names(ledger) == ["after"]


def check_moments_are_utc_to_the_microsecond(make: Make) -> None:
    zone = timezone(timedelta(hours=-5))
    told = [NOON + timedelta(microseconds=1), datetime(2013, 7, 1, 6, tzinfo=zone), datetime(2013, 7, 1, 13)]
    with make() as ledger:
        with ledger.write() as connection:
            rows = [{"name": str(i), "value": None, "at": moment} for i, moment in enumerate(told)]
            connection.execute(sa.insert(schema.marks), rows)
        with ledger.read() as connection:
            at = schema.marks.c.at
            kept = connection.scalars(sa.select(at).order_by(at)).all()
            after = connection.scalars(sa.select(schema.marks.c.name).where(at > NOON.astimezone(zone))).all()
            newest = connection.scalar(sa.select(sa.func.max(at)))
    assert kept == [NOON - timedelta(hours=1), NOON + timedelta(microseconds=1), NOON + timedelta(hours=1)]
    assert all(moment.tzinfo is UTC for moment in kept)
    assert sorted(after) == ["0", "2"]
    assert newest == NOON + timedelta(hours=1)


def check_plain_values_come_back_equal(make: Make) -> None:
    values: list[Any] = [
        {"a": [0.1, 1e300, -0.0, 2**53 + 1, True, None], "ü": {"\u2028": "\x00\n"}},
        [],
        {},
        "",
        0,
        False,
    ]
    with make() as ledger:
        with ledger.write() as connection:
            rows = [{"name": str(i), "value": value, "at": NOON} for i, value in enumerate(values)]
            connection.execute(sa.insert(schema.marks), rows)
        with ledger.read() as connection:
            kept = connection.scalars(sa.select(schema.marks.c.value).order_by(schema.marks.c.name)).all()
    assert repr(kept) == repr(values)  # repr tells -0.0 from 0.0 and False from 0


def check_nothing_is_null_in_the_database(make: Make) -> None:
    with make() as ledger:
        with ledger.write() as connection:
            connection.execute(sa.insert(schema.marks).values(name="empty", value=None, at=NOON))
        with ledger.read() as connection:
            found = sa.select(schema.marks.c.name).where(schema.marks.c.value.is_(None))
            assert connection.scalars(found).all() == ["empty"]


def check_names_sort_by_code_point(make: Make) -> None:
    names = ["a-b", "B", "é", "ab", "a", "Ä", "a b"]
    with make() as ledger:
        for name in names:
            _add_model(ledger, name)
        assert _names(ledger) == sorted(names)


def check_a_version_needs_its_model(make: Make) -> None:
    with make() as ledger:
        assert isinstance(_error_of(lambda: _add_version(ledger, "nobody", 1)), IntegrityError)
        _add_model(ledger, "somebody")
        _add_version(ledger, "somebody", 1)
        assert isinstance(_error_of(lambda: _add_version(ledger, "somebody", 1)), IntegrityError)


def check_only_an_existing_version_goes_live(make: Make) -> None:
    with make() as ledger:
        _add_model(ledger, "m")
        _add_version(ledger, "m", 1)
        assert isinstance(_error_of(lambda: _go_live(ledger, "m", 2)), IntegrityError)
        _go_live(ledger, "m", 1)


def check_racing_writers_count_without_gaps(make: Make) -> None:
    with make() as first:
        _add_model(first, "m")

    def work(_: int) -> None:
        with make() as ledger:
            for _turn in range(10):
                take_next_number(ledger, "m")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with make() as ledger, ledger.read() as connection:
        numbers = connection.scalars(sa.select(schema.versions.c.number).order_by(schema.versions.c.number)).all()
    assert numbers == list(range(1, 41))


def check_a_lock_makes_others_wait(make: Make) -> None:
    held, seen = Event(), Event()

    def second(ledger: Ledger) -> list[str]:
        assert held.wait(WAIT)
        seen.set()
        with ledger.write() as connection:
            lock(connection, "m")
            return list(connection.scalars(sa.select(schema.models.c.name)))

    with make() as one, make() as other, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second, other)
        with one.write() as connection:
            lock(connection, "m")
            held.set()
            assert seen.wait(WAIT)
            connection.execute(sa.insert(schema.models).values(name="m", created_at=NOON))
        assert waiting.result(WAIT) == ["m"]


def check_a_write_inside_a_write_is_refused(make: Make) -> None:
    with make() as ledger:
        with ledger.write():
            caught = _error_of(lambda: _add_model(ledger, "inner"))
        assert isinstance(caught, StorageError)
        assert "pass the connection" in caught.sentence
        _add_model(ledger, "after")


def check_one_holder_has_a_lease(make: Make) -> None:
    with make() as one, make() as other:
        assert leases.acquire(one, "tick", "a", 60, NOON)
        assert not leases.acquire(other, "tick", "b", 60, NOON)
        assert leases.acquire(other, "another", "b", 60, NOON)
        assert leases.acquire(one, "tick", "a", 60, NOON + timedelta(seconds=30))  # our own is made longer
        assert not leases.acquire(other, "tick", "b", 60, NOON + timedelta(seconds=89))
        assert leases.acquire(other, "tick", "b", 60, NOON + timedelta(seconds=90))


def check_a_lease_is_renewed_and_released_by_its_holder_only(make: Make) -> None:
    with make() as ledger:
        assert not leases.renew(ledger, "tick", "a", 60, NOON)
        assert leases.acquire(ledger, "tick", "a", 60, NOON)
        assert not leases.renew(ledger, "tick", "b", 60, NOON)
        assert not leases.release(ledger, "tick", "b")
        assert leases.renew(ledger, "tick", "a", 60, NOON + timedelta(seconds=59))
        assert not leases.renew(ledger, "tick", "a", 60, NOON + timedelta(seconds=119))  # run out: stop working
        assert leases.release(ledger, "tick", "a")
        assert not leases.release(ledger, "tick", "a")
        assert leases.acquire(ledger, "tick", "b", 60, NOON)


def check_racing_for_a_lease_has_one_winner(make: Make) -> None:
    start = Barrier(4)

    def race(holder: str) -> list[bool]:
        with make() as ledger:
            start.wait(WAIT)
            return [leases.acquire(ledger, f"job {turn}", holder, 60, NOON) for turn in range(10)]

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(race, "abcd"))
    assert [sum(turn) for turn in zip(*outcomes, strict=True)] == [1] * 10


def take_next_number(ledger: Ledger, model: str) -> int:
    """Register one more version, as the next free number."""
    with ledger.write() as connection:
        lock(connection, f"model:{model}")
        versions = schema.versions
        newest = connection.scalar(sa.select(sa.func.max(versions.c.number)).where(versions.c.model == model))
        connection.execute(sa.insert(versions).values(_version(model, (newest or 0) + 1)))
        return (newest or 0) + 1


def _add_model(ledger: Ledger, name: str) -> None:
    with ledger.write() as connection:
        connection.execute(sa.insert(schema.models).values(name=name, created_at=NOON))


def _add_version(ledger: Ledger, model: str, number: int) -> None:
    with ledger.write() as connection:
        connection.execute(sa.insert(schema.versions).values(_version(model, number)))


def _version(model: str, number: int) -> dict[str, Any]:
    return {
        "model": model,
        "number": number,
        "digest": f"{model}-{number}",
        "created_at": NOON,
        "created_by": "somebody",
        "task": "binary",
    }


def _go_live(ledger: Ledger, model: str, number: int) -> None:
    with ledger.write() as connection:
        row = {"model": model, "live": number, "sequence": 1, "updated_at": NOON}
        connection.execute(sa.insert(schema.rollouts).values(row))


def _names(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(connection.scalars(sa.select(schema.models.c.name).order_by(schema.models.c.name)))


def _write_then_fail(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(sa.insert(schema.models).values(name="half", created_at=NOON))
        raise ZeroDivisionError


def _write_while_reading(ledger: Ledger) -> None:
    with ledger.read() as connection:
        connection.execute(sa.insert(schema.models).values(name="sneaked in", created_at=NOON))


def _error_of(act: Callable[[], object]) -> BaseException | None:
    try:
        act()
    except (StorageError, IntegrityError, ZeroDivisionError) as error:
        return error
    return None


CHECKS: list[Callable[[Make], None]] = [
    check_every_table_is_there,
    check_a_write_is_seen_by_others,
    check_an_exception_undoes_the_whole_write,
    check_a_read_sees_one_state,
    check_a_read_refuses_to_write,
    check_moments_are_utc_to_the_microsecond,
    check_plain_values_come_back_equal,
    check_nothing_is_null_in_the_database,
    check_names_sort_by_code_point,
    check_a_version_needs_its_model,
    check_only_an_existing_version_goes_live,
    check_racing_writers_count_without_gaps,
    check_a_lock_makes_others_wait,
    check_a_write_inside_a_write_is_refused,
    check_one_holder_has_a_lease,
    check_a_lease_is_renewed_and_released_by_its_holder_only,
    check_racing_for_a_lease_has_one_winner,
]
