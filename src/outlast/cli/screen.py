"""What every command prints with: lines, tables, steps with a spinner, JSON."""

import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 100
_NUMBER = re.compile(r"([+-]?[\d,.]+%?|—|)")


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain, order="sorted"), indent=2)
    sys.stdout.write(data.decode() + "\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Rows under headers, or a sentence where there are none; long cells go on below, in their column."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = list(rows)
    if not listed:
        print(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for place, header in enumerate(headers):
        right = all(_NUMBER.fullmatch(str(row[place] or "")) for row in listed)
        shown.add_column(header, overflow="fold", justify="right" if right else "left")
    for row in listed:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console(width=width(), highlight=False)
    with console.capture() as printed:
        console.print(shown)
    print("\n".join(line.rstrip() for line in printed.get().rstrip("\n").split("\n")))


def line(name: str, says: object, *, indent: int = 2) -> None:
    """A name and what is said of it, long words going on below."""
    begin = " " * indent + f"{name:<10} "
    print(textwrap.fill(str(says), width(), initial_indent=begin, subsequent_indent=" " * len(begin)))


def sentence(says: str) -> None:
    """A sentence, going on below."""
    print(textwrap.fill(says, width()))


def width() -> int:
    """How wide a line may be: as COLUMNS says, the terminal, or a page when it goes into a file."""
    import shutil

    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size((WIDTH, 24)).columns if told else WIDTH


class Progress:
    """Steps told as they happen, on standard error: a spinner on a terminal, a line each elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._status: Any = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._still()  # a step that failed has no end

    def begins(self, step: str) -> None:
        if self._console.is_terminal:
            self._status = self._console.status(f"{step} …")
            self._status.start()

    def ends(self, step: str, seconds: float) -> None:
        self._still()
        self._console.print(f"  {step:<22} {seconds:6.1f} s", style="dim")

    def _still(self) -> None:
        if self._status is not None:
            self._status.stop()


class Bar:
    """A progress bar on standard error, on a terminal only."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def total(self, rows: int | None, of: str = "rows") -> None:
        if self._quiet:
            return
        if self._progress is not None:  # one part after the other
            self._progress.reset(self._task, total=rows, description=of)
            return
        from rich.console import Console
        from rich.progress import Progress as Rich

        self._progress = Rich(console=Console(stderr=True))
        self._task = self._progress.add_task(of, total=rows)
        self._progress.start()

    def advance(self, rows: int, of: str | None = None) -> None:
        if self._progress is not None:
            self._progress.update(self._task, advance=rows, description=of)


def number(value: float | None, digits: int = 4) -> str:
    """A figure for people; a dash where there is none.

    >>> number(0.81234), number(12345.6), number(1220.4, 3), number(None)
    ('0.8123', '12,346', '1,220', '—')
    """
    if value is None:
        return "—"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits - 0.5 else f"{value:,.0f}"


def interval(found: dict[str, float]) -> str:
    """A figure with its interval."""
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"


def moment(value: Any) -> str:
    """A moment for people, in UTC."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"cannot show a {type(value).__name__} as JSON")
