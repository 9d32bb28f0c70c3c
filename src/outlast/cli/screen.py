"""What every command prints with: tables, steps with a spinner, JSON."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain, order="sorted"), indent=2)
    sys.stdout.write(data.decode() + "\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Rows under headers, or a sentence where there are none."""
    from rich.console import Console
    from rich.table import Table

    listed = list(rows)
    if not listed:
        print(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        shown.add_column(header, overflow="fold")
    for row in listed:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(shown)


class Progress:
    """Steps told as they happen, on standard error: a spinner on a terminal, a line each elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._status: Any = None

    def begins(self, step: str) -> None:
        if self._console.is_terminal:
            self._status = self._console.status(f"{step} …")
            self._status.start()

    def ends(self, step: str, seconds: float) -> None:
        if self._status is not None:
            self._status.stop()
        self._console.print(f"  {step:<22} {seconds:6.1f} s", style="dim")


def number(value: float | None, digits: int = 4) -> str:
    """A figure for people; a dash where there is none."""
    return "—" if value is None else f"{value:,.{digits}g}" if abs(value) < 1e4 else f"{value:,.0f}"


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


class Bar:
    """A progress bar on standard error, on a terminal only."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._progress: Any = None
        self._task: Any = None

    def total(self, rows: int) -> None:
        if self._quiet:
            return
        from rich.console import Console
        from rich.progress import Progress as Rich

        self._progress = Rich(console=Console(stderr=True))
        self._task = self._progress.add_task("rows", total=rows)
        self._progress.start()

    def advance(self, rows: int) -> None:
        if self._progress is None:
            return
        self._progress.advance(self._task, rows)
        if self._progress.finished:
            self._progress.stop()
