"""What was served when, by which server, and who made it live."""

from datetime import timedelta

import pytest

from outlast.errors import NotFound
from outlast.registry.rollout import transition
from outlast.registry.served import abandon, history, open_spans, released, served_at, taking


@pytest.fixture
def minute(noon):
    return lambda n: noon + timedelta(minutes=n)


@pytest.fixture
def rolled(ledger, train, judge, minute):
    """Version 1 live at minute 0, version 2 at minute 10, back to 1 at minute 20."""
    for number, at in ((1, 0), (2, 10)):
        train()
        given = {"by": "ada", "reason": f"first {number}", "verdict": judge(number), "at": minute(at)}
        transition(ledger, "late", action="promote", to=number, **given)
    transition(ledger, "late", action="rollback", by="bob", reason="worse", at=minute(20))
    return ledger


def test_history_tells_who_made_live_what_was_served(rolled, minute) -> None:
    first = taking(rolled, "late", 1, "d1", "host-1", minute(1))
    second = taking(rolled, "late", 2, "d2", "host-1", minute(11))
    released(rolled, first, minute(12))
    taking(rolled, "late", 1, "d1", "host-1", minute(21))
    released(rolled, second, minute(22))
    told = [(span.version, span.since, span.until, span.by, span.reason) for span in history(rolled, "late")]
    assert told == [
        (1, minute(1), minute(12), "ada", "first 1"),
        (2, minute(11), minute(22), "ada", "first 2"),
        (1, minute(21), None, "bob", "worse"),
    ]
    assert [span.version for span in served_at(rolled, "late", minute(5))] == [1]
    assert [span.version for span in served_at(rolled, "late", minute(11.5))] == [1, 2]
    assert [span.version for span in served_at(rolled, "late", minute(12))] == [1, 2]
    assert [span.version for span in served_at(rolled, "late", minute(15))] == [2]
    assert [span.version for span in served_at(rolled, "late", minute(90))] == [1]
    assert served_at(rolled, "late", minute(0)) == []


def test_a_server_whose_clock_is_behind_still_names_who(rolled, minute) -> None:
    taking(rolled, "late", 2, "d2", "host-1", minute(9))
    assert history(rolled, "late")[0].by == "ada"


def test_a_version_nobody_made_live_names_nobody(rolled, train, minute) -> None:
    train()
    taking(rolled, "late", 3, "d3", "host-1", minute(9))
    assert history(rolled, "late")[0].by is None


def test_releasing_twice_keeps_the_first_moment(rolled, minute) -> None:
    span = taking(rolled, "late", 1, "d1", "host-1", minute(1))
    released(rolled, span, minute(2))
    released(rolled, span, minute(3))
    assert history(rolled, "late")[0].until == minute(2)


def test_releasing_what_was_never_taken_is_an_error(rolled, minute) -> None:
    with pytest.raises(NotFound, match="no served span 99"):
        released(rolled, 99, minute(1))


def test_dead_servers_are_closed_and_others_left(rolled, minute) -> None:
    for server, at in (("a_1:10", 1), ("a_1:11", 2), ("ab1:12", 3), ("c:13", 30)):
        taking(rolled, "late", 1, "d1", server, minute(at))
    assert abandon(rolled, server_prefix="a_1:", at=minute(9)) == 2
    assert [(span.server, span.until) for span in history(rolled, "late")] == [
        ("a_1:10", minute(9)),
        ("a_1:11", minute(9)),
        ("ab1:12", None),
        ("c:13", None),
    ]
    last = open_spans(rolled)[-1]
    assert abandon(rolled, ids=[last.id], at=minute(9)) == 1
    assert history(rolled, "late")[-1].until == minute(30)  # never before it began
    assert abandon(rolled, ids=[last.id], at=minute(9)) == 0
    assert abandon(rolled, ids=[], at=minute(9)) == 0
    assert [span.server for span in open_spans(rolled)] == ["ab1:12"]
    with pytest.raises(ValueError, match="server_prefix or ids"):
        abandon(rolled, at=minute(9))


def test_history_of_a_model_that_is_not_there_says_so(ledger, train) -> None:
    train()
    with pytest.raises(NotFound, match="did you mean 'late'"):
        history(ledger, "latte")
    assert history(ledger, "late") == []
