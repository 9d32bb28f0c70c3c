"""Moments, days and lengths of time, as the whole numbers that Polars keeps them as."""

import calendar
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from outlast.features.rowwise import lengths
from outlast.features.rowwise.lengths import cast_unit, in_one_unit, in_range, per_second
from outlast.features.rowwise.operations import Maker, Operation, Table, constant, refuse, unchanged
from outlast.features.rowwise.plan import Node
from outlast.features.rowwise.refusal import Unsure
from outlast.features.rowwise.zones import QUARTER, zone

_FIRST_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _FIRST_DAY
_WIDTH = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_Number = Callable[[int], int]


def lowered(node: Node) -> Node:
    """The same with its hidden steps shown: what the clock and the calendar say at a moment, computed once for all."""
    if node.kind in ("Plus", "Minus"):
        return in_one_unit(node)
    if node.kind not in _OF_CLOCK and node.kind not in _OF_CALENDAR:
        return node
    moment = node.inputs[0]
    if isinstance(moment.dtype, pl.Datetime) and moment.dtype.time_zone not in (None, "UTC"):
        moment = Node("wall", pl.Datetime(moment.dtype.time_unit), (moment,), (moment.dtype.time_zone,))
    if node.kind in _OF_CALENDAR:
        moment = Node("calendar", moment.dtype, (_day(moment),))
    elif node.kind in _OF_DAY:
        moment = _day(moment)
    return Node(node.kind, node.dtype, (moment, *node.inputs[1:]), node.details)


def _day(moment: Node) -> Node:
    return moment if moment.dtype == pl.Date else Node("Date", pl.Date(), (moment,), ("lowered",))


def _wall(node: Node) -> Operation:
    there = zone(str(node.details[0]))
    offset, known = there.offset, there.known.get
    if per_second(node.inputs[0].dtype) == 1_000_000:

        def wall(moment: int) -> int:
            usual = known(moment // QUARTER)
            return moment + (offset(moment) if usual is None else usual)

        return Operation(wall)
    return Operation(lambda moment: moment + offset(moment * 1000) // 1000)


def _calendar(node: Node) -> Operation:
    def found(day: int) -> date:
        if -_FIRST_DAY < day <= _LAST_DAY:
            return date.fromordinal(day + _FIRST_DAY)
        raise Unsure("which year this is")

    return Operation(found)


def _of_clock(part: Callable[[int], _Number]) -> Maker:
    """A part of the time of day; `part` gives the function for units per second."""

    def make(node: Node) -> Operation:
        if not isinstance(node.inputs[0].dtype, pl.Datetime):
            raise refuse(node)
        return Operation(part(per_second(node.inputs[0].dtype)))

    return make


def _clock_hand(seconds: int, positions: int) -> Callable[[int], _Number]:
    def part(second: int) -> _Number:
        width = seconds * second
        return lambda moment: moment // width % positions

    return part


def _fraction(parts: int, times: int = 1) -> Callable[[int], _Number]:
    """Below the second, in `parts` of it."""

    def part(second: int) -> _Number:
        if second >= parts:
            return lambda moment: moment % second // (second // parts) * times
        return lambda moment: moment % second * (parts // second) * times

    return part


def _time_of_day(second: int) -> _Number:
    return lambda moment: moment % (86400 * second) * (1_000_000_000 // second)


def _date(node: Node) -> Operation:
    if node.inputs[0].dtype == pl.Date:
        return Operation(unchanged)
    width = 86400 * per_second(node.inputs[0].dtype)
    return Operation(lambda moment: moment // width)


def _of_calendar(part: Callable[[date], Any]) -> Maker:
    return lambda node: Operation(part)


def _same_moment(node: Node) -> Operation:
    per_second(node.dtype)
    return Operation(unchanged)


def _replace_zone(node: Node) -> Operation:
    """To no zone, which is what the clock on the wall says; from none to UTC, which changes nothing."""
    source, target = node.inputs[0].dtype, node.dtype
    if not isinstance(source, pl.Datetime) or not isinstance(target, pl.Datetime):
        raise refuse(node)
    per_second(source)
    here, there = source.time_zone, target.time_zone
    if here == there or {here, there} == {None, "UTC"}:
        return Operation(unchanged, of_first=True)
    if there is not None:
        raise refuse(node)  # an hour may be there twice, or not at all
    wall = _wall(Node("wall", target, (node.inputs[0],), (here,))).function
    return Operation(wall, of_first=True)


def _truncate(node: Node) -> Operation:
    source, width = node.inputs[0].dtype, _WIDTH.fullmatch(str(constant(node, 1)))
    if node.dtype != source or not isinstance(source, pl.Datetime) or width is None:
        raise refuse(node)
    if source.time_zone not in (None, "UTC"):
        raise refuse(node)
    second = per_second(source)
    every = int(width[1]) * _SECONDS[width[2]] * second
    start = 4 * 86400 * second if width[2] == "w" else 0  # weeks begin on Mondays, and 1970 on a Thursday
    return Operation(in_range(lambda moment: moment - (moment - start) % every), of_first=True)


def _cast(node: Node) -> Operation:
    source, target = node.inputs[0].dtype, node.dtype
    (how,) = node.details
    zones = {getattr(one, "time_zone", None) for one in (source, target)}
    if source == target:
        return Operation(unchanged)
    if target == pl.Int64 and not isinstance(source, pl.Time):
        if source != pl.Date:
            per_second(source)
        return Operation(unchanged)
    if how == "wrapping" or not zones <= {None, "UTC"}:
        raise refuse(node)
    if zones == {None} and isinstance(target, pl.Datetime) and source == pl.Date:
        width = 86400 * per_second(target)
        return Operation(lambda day: day * width)
    if zones == {None} and isinstance(source, pl.Datetime) and target == pl.Date:
        return _date(node)
    if isinstance(source, pl.Datetime) and isinstance(target, pl.Datetime) and len(zones) == 1:
        return cast_unit(node)
    raise refuse(node)


_OF_DAY: Table = {"WeekDay": lambda node: Operation(lambda day: (day + 3) % 7 + 1)}
_CLOCK_HANDS: Table = {
    "Hour": _of_clock(_clock_hand(3600, 24)),
    "Minute": _of_clock(_clock_hand(60, 60)),
    "Second": _of_clock(_clock_hand(1, 60)),
    "Millisecond": _of_clock(_fraction(1000)),
    "Microsecond": _of_clock(_fraction(1_000_000)),
    "Nanosecond": _of_clock(_fraction(1_000_000, times=1000)),
    "Time": _of_clock(_time_of_day),
}
_OF_CLOCK: Table = {**_OF_DAY, **_CLOCK_HANDS, "Date": _date}
_OF_CALENDAR: Table = {
    "Year": _of_calendar(lambda day: day.year),
    "Month": _of_calendar(lambda day: day.month),
    "Day": _of_calendar(lambda day: day.day),
    "Quarter": _of_calendar(lambda day: (day.month + 2) // 3),
    "Week": _of_calendar(lambda day: day.isocalendar()[1]),
    "IsoYear": _of_calendar(lambda day: day.isocalendar()[0]),
    "OrdinalDay": _of_calendar(lambda day: day.toordinal() - date(day.year, 1, 1).toordinal() + 1),
    "IsLeapYear": _of_calendar(lambda day: calendar.isleap(day.year)),
}
OPERATIONS: Table = {
    "wall": _wall,
    "calendar": _calendar,
    **_OF_CLOCK,
    **_OF_CALENDAR,
    "ConvertTimeZone": _same_moment,
    "ReplaceTimeZone": _replace_zone,
    **lengths.OPERATIONS,
    "Truncate": _truncate,
    "cast": _cast,
}
