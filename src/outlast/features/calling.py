"""Calling a project's functions on rows: what one does wrong is told in a sentence with its name and a row."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from outlast.errors import FeatureError, OutlastError
from outlast.features.functions import Function, apply, name_of

_SHOWN = 4


def with_functions(functions: Sequence[Function], known: pl.DataFrame) -> pl.DataFrame:
    """Asks and lookups, and after them what each function gives for them; no two may give the same column."""
    rows = known
    giver: dict[str, str] = {}
    for function in functions:
        new = called(function, known)
        for name in new.columns:
            if name in giver:
                raise FeatureError(
                    f"Functions '{giver[name]}' and '{name_of(function)}' both return a column '{name}': "
                    "give one of the two another name"
                )
            giver[name] = name_of(function)
        rows = rows.hstack(new)
    return rows


def called(function: Function, rows: pl.DataFrame) -> pl.DataFrame:
    """What a function gives for some rows."""
    try:
        return apply(function, rows)
    except OutlastError:
        raise
    except (Exception, PanicException) as error:  # the function is the user's and may raise anything
        raise FeatureError(_sentence(function, rows, error)) from error


def shown_row(row: dict[str, Any]) -> str:
    """The first columns of a row, for a sentence."""
    said = ", ".join(f"{name}={short(value)}" for name, value in list(row.items())[:_SHOWN])
    return f"{said}, …" if len(row) > _SHOWN else said


def short(value: Any) -> str:
    """A value for a sentence, cut where it is long."""
    text = "null" if value is None else repr(value) if isinstance(value, str | float) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _sentence(function: Function, rows: pl.DataFrame, error: BaseException) -> str:
    place, error = _smallest(function, rows, error)
    said = str(error).strip().partition("\n")[0]
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, pl.exceptions.ColumnNotFoundError | KeyError):
        what += f"; it sees what is asked and looked up: {', '.join(rows.columns)}"
    if place is None:
        return f"Function '{name_of(function)}' fails on {rows.height} rows together: {what}"
    return f"Function '{name_of(function)}' fails on row {place} ({shown_row(rows.row(place, named=True))}): {what}"


def _smallest(function: Function, rows: pl.DataFrame, error: BaseException) -> tuple[int | None, BaseException]:
    """A row that fails alone, with its error, found by halving; none where only rows together fail."""
    begin, end = 0, rows.height
    while end - begin > 1:
        middle = (begin + end) // 2
        for part in ((begin, middle), (middle, end)):
            found = _failure(function, rows[part[0] : part[1]])
            if found is not None:
                (begin, end), error = part, found
                break
        else:
            return None, error
    return (begin, error) if end > begin else (None, error)


def _failure(function: Function, rows: pl.DataFrame) -> BaseException | None:
    try:
        apply(function, rows)
    except (Exception, PanicException) as error:  # noqa: BLE001 (the same function again)
        return error
    return None
