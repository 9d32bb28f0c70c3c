"""Faults: read from a file, refused where they mean nothing, and only where and when they say."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.errors import DataError, NotFound, OutlastError, SettingsError
from outlast.replaying.faults import Fault, faulty, read_faults
from outlast.types import micros

HOURS = [datetime(2013, 7, 1, hour, tzinfo=UTC) for hour in range(8)]
FRAME = pl.DataFrame(
    {
        "__at": [micros(one) for one in HOURS],
        "temp": [50.0, 59.0, 68.0, 77.0, None, 50.0, 50.0, 50.0],
        "seats": range(8),
        "tailnum": [f"N{n}" for n in range(8)],
    }
)


def fault(**said: object) -> Fault:
    return Fault.model_validate({"name": "a fault", "source": "weather", "since": HOURS[2], **said})


def test_a_unit_changes_from_a_moment_to_another() -> None:
    celsius = fault(columns=["temp"], scale=5 / 9, add=-160 / 9, until=HOURS[6])
    found = faulty(FRAME, "weather", [celsius])
    assert found["temp"].round(6).to_list() == [50.0, 59.0, 20.0, 25.0, None, 10.0, 50.0, 50.0]
    assert found.drop("temp").equals(FRAME.drop("temp"))


def test_whole_numbers_stay_whole() -> None:
    found = faulty(FRAME, "weather", [fault(columns=["seats"], scale=0.3)])
    assert found["seats"].to_list() == [0, 1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("share", "gone"), [(1.0, 6), (0.5, 3), (0.34, 2)])
def test_a_column_goes_in_a_share_of_the_rows(share: float, gone: int) -> None:
    found = faulty(FRAME, "weather", [fault(columns=["tailnum", "temp"], null=True, share=share)])
    assert found["tailnum"].null_count() == gone
    assert found["tailnum"][:2].null_count() == 0
    assert found.filter(pl.col("tailnum").is_null())["temp"].null_count() == gone


def test_a_feed_stops_and_others_do_not() -> None:
    stopped = fault(stop=True)
    assert faulty(FRAME, "weather", [stopped]).height == 2
    assert faulty(FRAME, "landings", [stopped]).equals(FRAME)


def test_faults_say_what_they_do() -> None:
    said = [
        fault(columns=["temp"], scale=0.5, add=-17.5).sentence,
        fault(columns=["tailnum"], null=True, share=0.25, until=HOURS[3]).sentence,
        fault(stop=True).sentence,
    ]
    assert said == [
        "a fault: weather.temp times 0.5 plus -17.5, from 2013-07-01 02:00 UTC on",
        "a fault: weather.tailnum null in 25% of the rows, from 2013-07-01 02:00 UTC on until 2013-07-01 03:00",
        "a fault: no row of weather is told, from 2013-07-01 02:00 UTC on",
    ]


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (None, NotFound, "There is no file of faults"),
        ("[[fault", SettingsError, "is not valid TOML"),
        ("fault = 3", SettingsError, "'fault'"),
        ("", SettingsError, "'fault': Field required"),
        ("colums = ['temp']", SettingsError, "unknown key 'fault.0.colums': did you mean 'columns'?"),
        ("columns = ['temp']", SettingsError, "say one of scale and add, null = true, or stop = true"),
        ("null = true\nstop = true", SettingsError, "say one of scale and add"),
        ("null = true", SettingsError, "name the columns that are wrong"),
        ("columns = ['temp']\nnull = true\nshare = 0", SettingsError, "greater than 0"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_a_sentence(
    tmp_path: Path, content: str | None, kind: type[OutlastError], says: str
) -> None:
    file = tmp_path / "faults.toml"
    if content is not None:
        whole = "=" not in content.partition("\n")[0] or content.startswith("fault")
        begin = "" if whole else '[[fault]]\nname = "a"\nsource = "weather"\nsince = "2013-07-01"\n'
        file.write_text(begin + content)
    with pytest.raises(kind) as error:
        read_faults(file)
    assert says in error.value.sentence


def test_a_misspelt_key_is_told_before_the_one_that_is_missing_for_it(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\nname = "a"\nsource = "weather"\nsinse = "2013-07-01"\nstop = true\n')
    with pytest.raises(SettingsError, match=r"unknown key 'fault\.0\.sinse': did you mean 'since'\?"):
        read_faults(file)


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\nname = "a"\nsource = "weather"\nstop = true\nsince = "2013-07-01T02:00"\n')
    (found,) = read_faults(file)
    assert (found.name, found.since, found.until) == ("a", HOURS[2], None)


def test_a_column_that_is_not_there_or_no_number_is_named() -> None:
    with pytest.raises(NotFound, match="column 'tmp', which 'weather' does not have: did you mean 'temp'"):
        faulty(FRAME, "weather", [fault(columns=["tmp"], null=True)])
    with pytest.raises(DataError, match=r"counts with 'weather\.tailnum', which is no number"):
        faulty(FRAME, "weather", [fault(columns=["tailnum"], scale=2.0)])
