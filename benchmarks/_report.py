"""What every benchmark shows: where it ran, medians with their spread, its bar, and its part of README.md."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

README = Path(__file__).parent / "README.md"


def where(*packages: str) -> str:
    """The machine, how busy it was, and the versions: what a figure means nothing without."""
    found = ", ".join(f"{name} {version(name)}" for name in ("outlast", *packages))
    model = re.search(r"model name\s*: (.+)", _text(Path("/proc/cpuinfo")))
    cpu = model[1] if model else platform.machine()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} × {cpu}, load {os.getloadavg()[0]:.1f} at the end; "
        f"CPython {platform.python_version()}, {found}."
    )


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """The median, and the least and greatest value in brackets."""
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low}–{high})"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column text and the others figures."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def conclude(name: str, *, found: str, bar: str, held: bool, machine: str, page: Path = README) -> int:
    """Print what was found, put it into a page between the benchmark's marks, and give the exit status."""
    says = f"**{'Held' if held else 'Missed'}:** {bar}"
    text = f"{found}\n\n{says}\n\n{machine}"
    print(text)
    written = page.read_text("utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = written.partition(begin)
    _, closed, after = rest.partition(end)
    if not closed:
        raise SystemExit(f"{page} has no place for '{name}': add the lines {begin} and {end}")
    aside = page.with_suffix(".new")
    aside.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
    aside.replace(page)
    return 0 if held else 1


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
