"""What a replay reads: from where it lies, in the order of time, refused where nothing says when it happened."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from replayed import BEGIN, DAY, Shop

from outlast.errors import DataError, NotFound
from outlast.project.loader import Project
from outlast.replaying.faults import Fault
from outlast.replaying.history import AT, Stretch, read
from outlast.replaying.story import boundaries, moments
from outlast.types import micros, moment

STRETCH = Stretch(BEGIN, BEGIN + 2 * DAY, BEGIN)


@pytest.fixture
def project(first: Shop) -> Project:
    return first.project()


def test_rows_come_in_order_and_within_the_stretch(project: Project) -> None:
    found = read(project, STRETCH)
    assert [one.name for one in found.facts] == ["backlog", "deliveries"]
    for stream in (*found.facts, found.questions, found.labels):
        at = stream.frame[AT]
        assert at.is_sorted()
        assert micros(BEGIN) <= at[0] <= at[-1] < micros(BEGIN + 2 * DAY)
    assert found.questions.frame.columns[1:4] == ["order_id", "placed_at", "warehouse"]


def test_labels_are_those_of_questions_that_were_asked(project: Project) -> None:
    """Of a stretch that is told on, those of questions of the stretch before belong in it too."""
    later = Stretch(BEGIN + DAY, BEGIN + 2 * DAY, BEGIN)
    alone = Stretch(BEGIN + DAY, BEGIN + 2 * DAY, BEGIN + DAY)
    whole = read(project, STRETCH).labels.frame
    assert read(project, later).labels.frame.equals(whole.filter(pl.col(AT) >= micros(BEGIN + DAY)))
    assert read(project, alone).labels.frame.height < read(project, later).labels.frame.height


def test_tables_may_lie_in_a_folder_under_the_same_names(project: Project, tmp_path: Path) -> None:
    for name in ("orders", "backlog", "deliveries"):
        shutil.copy(project.folder / "data" / f"{name}.csv", tmp_path)
    assert read(project, STRETCH, folder=tmp_path).questions.frame.equals(read(project, STRETCH).questions.frame)
    (tmp_path / "backlog.csv").unlink()
    with pytest.raises(NotFound, match="Source 'backlog' is missing"):
        read(project, STRETCH, folder=tmp_path)


def test_a_fault_changes_what_is_told_and_not_what_turned_out(project: Project) -> None:
    stopped = Fault(name="a", source="deliveries", since=BEGIN, stop=True)
    found, plain = read(project, STRETCH, faults=[stopped]), read(project, STRETCH)
    assert [one.name for one in found.facts] == ["backlog"]
    assert found.labels.frame.equals(plain.labels.frame)
    with pytest.raises(NotFound, match="'backlogs', which 'shop' is not told: did you mean 'backlog'"):
        read(project, STRETCH, faults=[Fault(name="a", source="backlogs", since=BEGIN, stop=True)])


@pytest.mark.parametrize("step", [None, timedelta(minutes=30), timedelta(hours=6)])
def test_moments_tell_nothing_before_it_happened_and_everything_once(project: Project, step: timedelta | None) -> None:
    history = read(project, STRETCH)
    story = list(moments(history, BEGIN, BEGIN + 2 * DAY, step))
    points = [one.at for one in story]
    assert points == sorted(set(points))
    lags = {"backlog": timedelta(minutes=10), "deliveries": timedelta(hours=1)}
    told = {
        "questions": (history.questions, [(one.at, row) for one in story for row in one.questions]),
        "labels": (history.labels, [(one.at, row) for one in story for row in one.labels]),
    } | {
        one.name: (one, [(moment.at, row) for moment in story for row in moment.facts.get(one.name, [])])
        for one in history.facts
    }
    for name, (stream, rows) in told.items():
        assert [row for _, row in rows] == stream.frame.drop(AT).to_dicts()
        late = [at - moment(due) for (at, _), due in zip(rows, stream.frame[AT], strict=True)]
        lag = lags.get(name, timedelta(0))
        assert min(late) >= -lag, "nothing is told before it happened"
        if name in lags and (step is None or step <= lag):
            assert max(late) <= timedelta(0), "facts come on time"
        else:
            assert max(late) < (step or timedelta(microseconds=1))


def test_ticks_lie_at_boundaries_counted_from_1970() -> None:
    late = BEGIN + timedelta(hours=5)
    found = list(boundaries(late, BEGIN + DAY + timedelta(hours=3), timedelta(hours=12)))
    ends = [end - BEGIN for _, end in found]
    assert ends == [timedelta(hours=12), timedelta(hours=24), timedelta(hours=27)]
    assert [begin for begin, _ in found] == [late, *(BEGIN + end for end in ends[:-1])]


def test_questions_without_a_time_or_a_key_cannot_be_replayed(first: Shop, tmp_path: Path) -> None:
    shutil.copytree(first.folder, tmp_path / "shop", ignore=shutil.ignore_patterns(".outlast"))
    file = tmp_path / "shop" / "model.py"
    code = file.read_text()
    file.write_text(code.replace('"data/orders.csv", key="order_id", ', '"data/orders.csv", '))
    with pytest.raises(DataError, match="nothing says which question a label belongs to"):
        read(Shop(tmp_path / "shop").project(), STRETCH)
