"""Reading CSV: the types are those that Polars tells by itself, told once and in a fraction of the time."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from outlast.data.csvfiles import LOOK_AHEAD, NOTHING, scan
from outlast.errors import DataError

WORDS = [
    "", "NA", '"null"', '""', "1", "1.5", '"5"', "true", "x", " 5", "é", '"a,b"', '"a""b"', "10:00:00", "2024-13-40",
    "2024-01-01", '"2024-01-01"', "2024-01-01 10:00:00", "2024-01-01T10:00:00Z", "2024-01-01T10:00:00+02:00",
    "01/02/2024", "20240101",
]  # fmt: skip


def by_polars(file: Path) -> pl.LazyFrame:
    """The same file, its types told by Polars alone, at every reading."""
    return pl.scan_csv(file, null_values=list(NOTHING), infer_schema_length=LOOK_AHEAD, try_parse_dates=True)


def read(frame: Callable[[], pl.LazyFrame]) -> pl.DataFrame | str:
    """Rows, or the beginning of what is said of a value that cannot be read."""
    try:
        return frame().collect()
    except pl.exceptions.ComputeError as error:
        return str(error).partition("\n")[0]


def require_the_same(file: Path) -> None:
    ours, theirs = read(lambda: scan("rows", str(file), {})), read(lambda: by_polars(file))
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
    else:
        assert ours.schema == theirs.schema
        assert ours.equals(theirs)


@pytest.mark.parametrize("seed", range(8))
def test_types_are_those_that_polars_tells(tmp_path: Path, seed: int) -> None:
    draw, file = random.Random(seed), tmp_path / "rows.csv"
    for _ in range(25):
        pools = [draw.sample(WORDS, draw.randint(1, 3)) for _ in range(3)]
        rows = [",".join(map(draw.choice, pools)) for _ in range(draw.randint(1, 200))]
        file.write_text("\n".join(["a,b,c", *rows]) + "\n")
        require_the_same(file)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("1,", "2,2024-01-01 00:00:00"),
        ("1,", "2,hello"),
        ("1,2024-01-01", "2,hello"),
        ("1,2024-01-01", "2,2024-01-02 10:00:00"),
        ("1,x", "2,2024-01-01"),
    ],
)
@pytest.mark.parametrize("rows", [5_000, LOOK_AHEAD + 50])
def test_a_last_row_unlike_all_before_is_read_as_polars_reads_it(
    tmp_path: Path, first: str, last: str, rows: int
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + f"{first}\n" * rows + f"{last}\n")
    require_the_same(tmp_path / "rows.csv")


def test_a_header_alone_and_nothing_at_all_have_no_rows(tmp_path: Path) -> None:
    for text in ("a,b\n", "\n", ""):
        (tmp_path / "rows.csv").write_text(text)
        with pytest.raises(DataError, match="Source 'rows' has no rows"):
            scan("rows", str(tmp_path / "rows.csv"), {})


def test_reading_again_and_again_costs_no_more_than_a_part_of_one_reading_by_polars(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    names = pl.Series([f"O-{n}" for n in range(30_000)])
    pl.DataFrame({"id": names, "shop": names.str.head(3), "town": names.str.tail(2)}).write_csv(file)

    def spent(times: int, frame: pl.LazyFrame) -> float:
        begin = time.process_time()
        for _ in range(times):
            frame.select("town").collect()
        return time.process_time() - begin

    begin = time.process_time()
    ours = spent(5, scan("rows", str(file), {})) + time.process_time() - begin
    assert ours < spent(1, by_polars(file))
