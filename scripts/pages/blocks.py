"""Reads the fenced blocks of a Markdown page, and what their info strings ask for.

    ```python                          runs, in one namespace per page
    ```console                         runs each line after '$ ', compares what follows it with the output
    ```console exit=2                  the same, and the last command must end with this status
    ```toml file=outlast.toml          is written to that file of the page's folder, whatever the language
    ```python no-run: needs a cluster  is only shown, and says why
    ```text                            is only shown, as json, toml, mermaid and other data are

A block inside an HTML comment runs like any other, so a page can prepare what its reader already has.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

RUN = {"python", "console"}
SHOWN = {"text", "toml", "json", "yaml", "mermaid", "csv", "http", "sql", "html", "css", "diff", "dockerfile", "promql"}

_FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_OPTION = re.compile(r"(file|exit)=(\S+)")


class PageError(Exception):
    """A page that does not do what it shows, or a block that cannot be understood."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its words, its text and the number of its first line."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None = None
    exit: int = 0
    reason: str | None = None

    @property
    def runs(self) -> bool:
        return self.reason is None and (self.file is not None or self.language in RUN)

    def __str__(self) -> str:
        return f"{self.page.name} line {self.line} ({self.language})"


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the lines that its output is said to hold."""

    text: str
    expected: list[str]


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), start=1))
    for number, line in lines:
        opened = _FENCE.fullmatch(line)
        if not opened:
            continue
        body = []
        for _, inner in lines:
            if re.fullmatch(rf"\s*{re.escape(opened['fence'][0])}{{{len(opened['fence'])},}}\s*", inner):
                break
            body.append(inner)
        else:
            raise PageError(f"{page.name} line {number}: the block is never closed")
        found.append(_block(page, number + 1, opened["info"].strip(), textwrap.dedent("\n".join(body)) + "\n"))
    return found


def _block(page: Path, line: int, info: str, text: str) -> Block:
    words, marker, reason = info.partition("no-run")
    language, _, rest = words.strip().partition(" ")
    options = dict(_OPTION.findall(rest))
    where = f"{page.name} line {line - 1}"
    if unread := _OPTION.sub("", rest).strip():
        raise PageError(f"{where}: '{unread}' means nothing here: write file=NAME, exit=NUMBER or no-run: REASON")
    if marker and len(reason.lstrip(": ")) < 10:
        raise PageError(f"{where}: no-run needs a reason that a reader believes: no-run: REASON")
    if not marker and "file" not in options and language not in RUN | SHOWN:
        raise PageError(
            f"{where}: a block of '{language}' neither runs nor is data: write python or console for what runs, "
            "text for what is only looked at, or no-run: REASON"
        )
    status = int(options.get("exit", 0))
    return Block(page, line, language, text, options.get("file"), status, reason.lstrip(": ") if marker else None)


def commands(block: Block) -> list[Command]:
    """The commands of a console block; '> ' continues one, as in a shell."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif not found:
            raise PageError(f"{block}: a console block starts with a command: $ COMMAND")
        elif line.startswith("> ") and not found[-1].expected:
            found[-1] = Command(f"{found[-1].text}\n{line[2:]}", [])
        else:
            found[-1].expected.append(line)
    return found


_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DRAWN = re.compile(r"[\u2500-\u259f=_-]{2,}")
_NUMBER = re.compile(r"\d[\d,.:]*")


def plain(line: str) -> str:
    """A line as the comparison sees it: figures, spaces and drawn rules count by their place, not by their value.

    >>> plain("late-arrivals   7    0.912  ─────")
    'late-arrivals # # ─'
    """
    line = _DRAWN.sub("─", _ANSI.sub("", line))
    return " ".join(_NUMBER.sub("#", line).split())


def missing(expected: list[str], output: str) -> str | None:
    """The first expected line that the output does not have after the ones before it; '...' stands for anything.

    >>> missing(["trained ... in 3.1 s", "...", "done"], "trained churn in 12.9 s\\nby the way\\ndone\\n")
    >>> missing(["refused"], "promoted\\n")
    'refused'
    """
    actual = iter([plain(line) for line in output.splitlines()])
    for line in expected:
        wanted = plain(line)
        if wanted in ("", "..."):
            continue
        pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
        if not any(re.fullmatch(pattern, candidate) for candidate in actual):
            return line
    return None
