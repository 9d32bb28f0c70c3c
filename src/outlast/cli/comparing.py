"""What `compare` says of two versions, on one screen."""

import textwrap
from typing import TYPE_CHECKING, Any

from outlast.cli import screen
from outlast.types import counted

if TYPE_CHECKING:
    from outlast.gates.compared import Compared

_SLICES, _LINES, _NAMES = 5, 14, 6


def compared(found: "Compared") -> None:
    """Figures, slices, and what changed."""
    rows = found.rows
    if found.why is not None:
        print(f"{found.newer} against {found.older}: no figures on the same rows, {found.why}")
    else:
        of = "" if rows["unit"] == "row" else f" of {counted(rows['blocks'], rows['unit'])}"
        left = f", {rows['left_out']:,} left out" if rows["left_out"] else ""
        print(f"{found.newer} against {found.older}, on the same {counted(rows['count'], 'row')}{of}{left}")
        _figures(found)
    _changes(found.changed)


def _figures(found: "Compared") -> None:
    older, newer = f"{found.older.number}", f"{found.newer.number}"
    screen.table(
        ("figure", older, newer, "better by", "95 % interval", ""),
        [
            (one["name"], screen.number(one["older"]), screen.number(one["newer"]), *_apart(one))
            for one in found.figures
        ],
        empty="No figure is defined on these rows",
    )
    if found.slices:
        worst = sorted(found.slices, key=lambda one: (one["chance"], one["value"]))[:_SLICES]
        some = f"{len(worst)} of {len(found.slices)} figures" if len(worst) < len(found.slices) else "Figures"
        print(f"{some} by slice, first what lost most or gained least:")
        rows = [(one["says"], one["figure"], f"{one['rows']:,}", *_apart(one)) for one in worst]
        screen.table(("slice", "figure", "rows", "better by", "95 % interval", ""), rows, empty="")


def _apart(one: dict[str, Any]) -> tuple[str, str, str]:
    said = one.get("found") or ("surely worse" if one.get("worse") else "")
    return f"{one['value']:+.4g}", f"{one['low']:+.4g} to {one['high']:+.4g}", said


def _changes(changed: dict[str, Any]) -> None:
    for file in changed["code"]:
        by = f"{counted(file['added'], 'line')} more, {file['removed']:,} less"
        screen.line("code", f"{file['file']} {file['did']}: {by}")
    lines = [line for file in changed["code"] for line in file["diff"] if line[:3] not in ("+++", "---")]
    for line in lines[:_LINES]:
        print("\n".join(_whole(line)))
    if len(lines) > _LINES:
        screen.line("", f"{len(lines) - _LINES} more lines: --json has them")
    for what, said in _told(changed):
        screen.line(what, said)


def _whole(line: str) -> list[str]:
    """A line of a difference, going on below where it is too long."""
    indent = " " * 13
    return textwrap.wrap(
        line, screen.width(), initial_indent=indent, subsequent_indent=f"{indent}      ", break_on_hyphens=False
    ) or [indent.rstrip()]


def _told(changed: dict[str, Any]) -> list[tuple[str, str]]:
    data, features = changed["data"], changed["features"]
    found = [
        ("data", f"{one['name']}: {_rows(one['before'])} then, {_rows(one['after'])} now")
        for one in data.get("sources", [])
    ]
    found += [("data", _pairs(data[part])) for part in ("rows", "period") if data.get(part)]
    found += [("features", f"{did}: {', '.join(features[did])}") for did in features if features[did]]
    found += [(what, _pairs(changed[what])) for what in ("parameters", "environment", "contract") if changed[what]]
    same = [what for what, one in changed.items() if not one]
    return [*found, ("the same", ", ".join(same))] if same else found


def _rows(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not read"
    return f"{'?' if found['rows'] is None else format(found['rows'], ',')} rows ({str(found['digest'])[:8]})"


def _pairs(found: list[dict[str, Any]]) -> str:
    said = [f"{one['name']} {_short(one['before'])} → {_short(one['after'])}" for one in found[:_NAMES]]
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(said) + more


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
