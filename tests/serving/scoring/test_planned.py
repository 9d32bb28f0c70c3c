"""When a table is due, and where it lies then."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.errors import ContractError
from outlast.project.contract import parse_contract
from outlast.serving.scoring.planned import due_at, next_at, place_at


@pytest.mark.parametrize(
    ("schedule", "now", "due", "following"),
    [
        ("02:30", "2013-07-02T02:29:59", "2013-07-01T02:30:00", "2013-07-02T02:30:00"),
        ("02:30", "2013-07-02T02:30:00", "2013-07-02T02:30:00", "2013-07-03T02:30:00"),
        ("1d", "2013-07-02T23:59:00", "2013-07-02T00:00:00", "2013-07-03T00:00:00"),
        ("15m", "2013-07-02T23:59:00", "2013-07-02T23:45:00", "2013-07-03T00:00:00"),
    ],
)
def test_a_table_is_due_at_its_time(schedule: str, now: str, due: str, following: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert due_at(schedule, at).isoformat() == f"{due}+00:00"
    assert next_at(schedule, at).isoformat() == f"{following}+00:00"


def test_a_place_is_named_by_when_it_was_due(tmp_path: Path) -> None:
    due = datetime(2013, 7, 2, 2, 30, tzinfo=UTC)
    assert place_at("scores/{date}-{time}.parquet", due, tmp_path) == tmp_path / "scores/2013-07-02-0230.parquet"
    assert place_at("s3://lake/{date}.delta", due, tmp_path) == "s3://lake/2013-07-02.delta"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('input = "a.csv"', "input, output and schedule go together"),
        (
            'input = "a.csv"\noutput = "{date}.csv"\nschedule = "6h"',
            "every 6h into one file of a day, each would take the place of the one before",
        ),
        ('input = "a.csv"\noutput = "{day}.csv"\nschedule = "1d"', "{day} is not known: expected {date} or {time}"),
        ('input = "a.csv"\noutput = "b.csv"\nschedule = "24:00"', "expected a time of day in UTC such as 02:30"),
        ('input = "a.csv"\noutput = "b.csv"\nschedule = "30s"', "or a length of a minute or more such as 1d"),
        ('schedul = "1d"', "did you mean 'schedule'?"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_a_sentence(section: str, said: str) -> None:
    with pytest.raises(ContractError) as raised:
        parse_contract(f"[scoring]\n{section}\n")
    assert said in raised.value.sentence
