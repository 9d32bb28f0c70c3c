"""The command line: each command parses, calls a stage and prints. The verbs stand in the order of a model's life."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from outlast.cli import collecting, ending
from outlast.cli.app import app
from outlast.cli.exits import CODES, code_of
from outlast.errors import OutlastError

__all__ = ["CODES", "main"]

MEMORY = {"NUMPY_MADVISE_HUGEPAGE": "0"}
"""NumPy asks for huge pages. Where memory is in pieces the system stops to make some: a look-up over ten million facts
took 2.9 s instead of 1.9, and 1.6 instead of 1.9 where it had them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a failure is one sentence and an exit code that means something to CI."""
    os.environ.update(MEMORY | os.environ)
    with ending.in_order(), _collecting_little(alone=arguments is None):
        _run(arguments)


def _run(arguments: Sequence[str] | None) -> None:
    try:
        app(args=None if arguments is None else list(arguments), prog_name="outlast")
    except OutlastError as error:
        if "--debug" in sys.argv:
            raise
        print(f"outlast: {error}", file=sys.stderr)
        raise SystemExit(code_of(error)) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        print("outlast: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:  # the outermost edge: people get a sentence, --debug the whole of it
        if "--debug" in sys.argv:
            raise
        print(f"outlast: {_unexpected(error)}", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def _collecting_little(*, alone: bool) -> Iterator[None]:
    """Look for garbage seldom, and not once more at the end, where the process is ours alone."""
    if not alone:
        yield
        return
    collecting.seldom()
    try:
        yield
    finally:
        gc.freeze()


def _unexpected(error: Exception) -> str:
    """A failure nobody put in a sentence: the system's own words, or that it is a fault of ours."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said} (unexpected: please report it, with what `outlast --debug …` prints)"
