"""A pytest plugin that runs the blocks of Markdown pages: pytest -p scripts.pages README.md docs

Each page gets a folder, a Python namespace and a shell of its own, and its blocks run in the order they are read.
"""

import contextlib
import doctest
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from scripts.pages.blocks import Block, PageError, blocks, commands, missing
from scripts.pages.shell import Shell

_COUNTS = pytest.StashKey[dict[str, Any]]()
_LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_COUNTS] = {"ran": 0, "shown": 0, "pages": 0}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return PageFile.from_parent(parent, path=file_path) if file_path.suffix == ".md" else None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Modules without an example are not imported: a template or a migration may not like it."""
    without = collection_path.suffix == ".py" and ">>> " not in collection_path.read_text("utf-8")
    return True if without else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash[_COUNTS]
    terminalreporter.write_line(
        f"pages: {counts['ran']} blocks ran on {counts['pages']} pages, {counts['shown']} are only shown"
    )


class PageFile(pytest.File):
    """A Markdown page."""

    def collect(self) -> Iterator[pytest.Item]:
        found = blocks(self.path)
        counts = self.config.stash[_COUNTS]
        counts["pages"] += 1
        counts["shown"] += sum(not block.runs for block in found)
        running = [block for block in found if block.runs]
        self.page = Page(running)
        for number, block in enumerate(running):
            yield BlockItem.from_parent(self, name=f"line {block.line} ({block.language})", number=number)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        return str(excinfo.value) if isinstance(excinfo.value, PageError) else super().repr_failure(excinfo)

    def setup(self) -> None:
        self.page.open()

    def teardown(self) -> None:
        self.page.close()


class BlockItem(pytest.Item):
    """A block that runs."""

    parent: PageFile

    def __init__(self, *, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def runtest(self) -> None:
        self.parent.page.run_to(self.number)
        self.config.stash[_COUNTS]["ran"] += 1

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        return str(excinfo.value) if isinstance(excinfo.value, PageError) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.number, f"{self.path.name} {self.name}"


class Page:
    """The blocks of a page and the state they share."""

    def __init__(self, running: list[Block]) -> None:
        self._blocks = running
        self._done = 0
        self._broken: Block | None = None

    def open(self) -> None:
        self._room = TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True)
        self._shell = Shell(Path(self._room.name))
        self._module = types.ModuleType("page")

    def close(self) -> None:
        self._shell.close()
        self._room.cleanup()

    def run_to(self, number: int) -> None:
        """Runs the blocks up to this one that have not run yet."""
        if self._broken:
            raise PageError(f"{self._blocks[number]} did not run, because {self._broken} failed before it")
        for block in self._blocks[self._done : number + 1]:
            self._broken = block
            self._run(block)
            self._broken = None
            self._done += 1

    def _run(self, block: Block) -> None:
        if block.file:
            target = self._shell.folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        elif block.language == "console":
            self._run_console(block)
        else:
            with self._inside():
                self._run_examples(block) if ">>> " in block.text else self._run_python(block)

    def _run_console(self, block: Block) -> None:
        asked = commands(block)
        for command in asked:
            status, output = self._shell.run(command.text)
            wanted = block.exit if command is asked[-1] else 0
            if status != wanted:
                raise PageError(f"{block}: '{command.text}' ended with {status}, not {wanted}. It said:\n{output}")
            if (line := missing(command.expected, output)) is not None:
                raise PageError(f"{block}: '{command.text}' does not say '{line}'. It said:\n{output}")

    def _run_python(self, block: Block) -> None:
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
        exec(code, vars(self._module))

    def _run_examples(self, block: Block) -> None:
        case = doctest.DocTestParser().get_doctest(block.text, {}, str(block), str(block.page), block.line - 1)
        case.globs = vars(self._module)
        said: list[str] = []
        runner = doctest.DocTestRunner(verbose=False, optionflags=_LOOSE)
        if runner.run(case, out=said.append, clear_globs=False).failed:
            raise PageError("".join(said))

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """In the page's folder, with the process put back afterwards."""
        folder, environment = Path.cwd(), dict(os.environ)
        os.chdir(self._shell.folder)
        sys.modules["page"] = self._module
        try:
            yield
        finally:
            del sys.modules["page"]
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
