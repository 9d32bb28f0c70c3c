"""Faults that a replay puts into what it tells, from a moment on: a unit that changes, a column that goes, a feed that
stops."""

import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from outlast.errors import DataError, NotFound, SettingsError, nearest
from outlast.types import micros, utc

_AT = "__at"


class Fault(BaseModel):
    """What is wrong with a source's rows, from when, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    since: datetime
    until: datetime | None = None
    columns: list[str] = Field(default_factory=list)
    scale: float = 1.0
    add: float = 0.0
    null: bool = False
    stop: bool = False
    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Of the rows, spread evenly; the others stay as they were."""

    @field_validator("since", "until")
    @classmethod
    def _zoned(cls, given: datetime | None) -> datetime | None:
        return None if given is None else utc(given)

    @model_validator(mode="after")
    def _one_thing(self) -> "Fault":
        changed = self.scale != 1.0 or self.add != 0.0
        if sum((changed, self.null, self.stop)) != 1:
            raise ValueError("say one of scale and add, null = true, or stop = true")
        if not self.stop and not self.columns:
            raise ValueError("name the columns that are wrong")
        return self

    @property
    def sentence(self) -> str:
        """What is done, in words."""
        rows = "" if self.share == 1.0 else f" in {self.share:.0%} of the rows"
        ends = "" if self.until is None else f" until {self.until:%Y-%m-%d %H:%M}"
        return f"{self.name}: {self._says}{rows}, from {self.since:%Y-%m-%d %H:%M} UTC on{ends}"

    @property
    def _says(self) -> str:
        if self.stop:
            return f"no row of {self.source} is told"
        columns = " and ".join(f"{self.source}.{column}" for column in self.columns)
        return f"{columns} null" if self.null else f"{columns} times {self.scale:g} plus {self.add:g}"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    fault: list[Fault]


def read_faults(file: Path) -> list[Fault]:
    """The faults of a file, each a table [[fault]]."""
    try:
        return _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).fault
    except FileNotFoundError:
        raise NotFound(f"There is no file of faults {file}: write one, or leave --faults out") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(_sentence(error.errors(), file)) from None


def faulty(frame: pl.DataFrame, source: str, faults: Sequence[Fault]) -> pl.DataFrame:
    """Rows as they are told once the faults have had their way with them."""
    for fault in faults:
        if fault.source == source:
            frame = _changed(frame, fault)
    return frame


def _changed(frame: pl.DataFrame, fault: Fault) -> pl.DataFrame:
    unknown = next((name for name in fault.columns if name not in frame.columns), None)
    if unknown is not None:
        names = [name for name in frame.columns if name != _AT]
        raise NotFound(f"Fault '{fault.name}' is of the column '{unknown}', which '{fault.source}' does not have: "
                       f"{nearest(unknown, names)}")  # fmt: skip
    hit = pl.col(_AT) >= micros(fault.since)
    if fault.until is not None:
        hit &= pl.col(_AT) < micros(fault.until)
    if fault.share < 1.0:
        place = hit.cum_sum() * fault.share
        hit &= place.floor() > (place - fault.share).floor()
    if fault.stop:
        return frame.filter(~hit)
    if fault.null:
        return frame.with_columns(pl.when(~hit).then(pl.col(name)).alias(name) for name in fault.columns)
    words = [name for name in fault.columns if not frame.schema[name].is_numeric()]
    if words:
        raise DataError(f"Fault '{fault.name}' counts with '{fault.source}.{words[0]}', which is no number: "
                        "null = true is what can happen to it")  # fmt: skip
    return frame.with_columns(
        pl.when(hit).then(_wrong(name, frame.schema[name], fault)).otherwise(pl.col(name)).alias(name)
        for name in fault.columns
    )


def _wrong(name: str, dtype: pl.DataType, fault: Fault) -> pl.Expr:
    found = pl.col(name) * fault.scale + fault.add
    return found.round().cast(dtype) if dtype.is_integer() else found


def _sentence(problems: Sequence[Any], file: Path) -> str:
    """Of what is wrong, a key that is spelled otherwise before the one that is missing for it."""
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{file}: unknown key '{place}': {nearest(str(problem['loc'][-1]), Fault.model_fields)}"
    return f"{file}: '{place}': {str(problem['msg']).removeprefix('Value error, ')}"
