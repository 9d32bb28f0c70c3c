"""Two hosts answer one request: the table holds the first answer, once, and the other is not lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from kept import NOON, Version, answer

from outlast.journal.columns import PREDICTIONS, REPEATS
from outlast.journal.journal import Journal, seal
from outlast.project.workspace import Workspace
from outlast.settings import Settings
from outlast.types import Named


@pytest.fixture
def hosts(tmp_path: Path) -> list[Workspace]:
    """Three hosts with logs of their own, and tables that they share."""
    settings = Settings(tables=str(tmp_path / "tables"))
    return [Workspace(tmp_path / name, settings=settings) for name in ("a", "b", "c")]


def named(request_id: str, asked: str = "12") -> Named:
    found = Named(request_id)
    found.asked = asked
    return found


def write(host: Workspace, request_id: str, ids: Sequence[int], at: datetime) -> None:
    with Journal(host) as journal:
        answers = [answer(n, at=at) for n in ids]
        journal.predictions(answers, Version(), request_id=request_id, server=host.root.name)


def ids(host: Workspace, kind: object = PREDICTIONS) -> list[str]:
    table = kind.stream("late")  # type: ignore[attr-defined]
    return sorted(host.tables.scan(table).collect()["prediction_id"]) if host.tables.exists(table) else []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_first_answer_is_kept_in_whatever_order_hosts_seal(hosts: list[Workspace], order: tuple[int, ...]) -> None:
    for number, host in enumerate(hosts):
        write(host, named("r"), [10 * number, 10 * number + 1], NOON + timedelta(seconds=number))
    for number in order:
        seal(hosts[number])
    assert ids(hosts[0]) == ["p0", "p1"]
    assert ids(hosts[0], REPEATS) == ["p10", "p11", "p20", "p21"]


def test_a_repeat_in_one_segment_is_kept_once(hosts: list[Workspace]) -> None:
    with Journal(hosts[0]) as journal:
        for number in range(3):
            at = NOON + timedelta(seconds=number)
            journal.predictions([answer(number, at=at)], Version(), request_id=named("r"), server="a")
    seal(hosts[0])
    assert (ids(hosts[0]), ids(hosts[0], REPEATS)) == (["p0"], ["p1", "p2"])


def test_other_questions_other_rows_and_ids_that_nobody_gave_are_all_kept(hosts: list[Workspace]) -> None:
    write(hosts[0], named("r", "12"), [0, 1, 2], NOON)
    write(hosts[1], named("r", "34"), [3], NOON)
    write(hosts[1], named("s", "12"), [4], NOON)
    write(hosts[1], named("r", "12"), [5], NOON + timedelta(days=3))
    for host in hosts[:2]:
        write(host, "drawn", [6 + hosts.index(host)], NOON)
    for host in hosts:
        seal(host)
    assert ids(hosts[0]) == [f"p{n}" for n in range(8)]
    assert ids(hosts[0], REPEATS) == []


@pytest.mark.parametrize("step", ["append", "remove"])
def test_a_sealer_that_dies_between_two_tables_leaves_it_to_the_next(
    hosts: list[Workspace], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write(hosts[0], named("r"), [0], NOON)
    write(hosts[1], named("r"), [1], NOON + timedelta(seconds=1))
    seal(hosts[1])
    tables, real = hosts[0].tables, getattr(hosts[0].tables, step)

    def dies(name: str, *more: object, **keys: object) -> int:
        if name.startswith("predictions"):
            raise KeyboardInterrupt
        return int(real(name, *more, **keys))

    with monkeypatch.context() as patch:
        patch.setattr(tables, step, dies)
        with pytest.raises(KeyboardInterrupt):
            seal(hosts[0])
    seal(hosts[0])
    assert (ids(hosts[0]), ids(hosts[0], REPEATS)) == (["p0"], ["p1"])
