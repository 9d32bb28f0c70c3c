"""The command line: each command parses, calls a stage and prints. The verbs stand in the order of a model's life."""

import sys
from collections.abc import Sequence

from outlast.cli.app import app
from outlast.cli.exits import CODES, code_of
from outlast.errors import OutlastError

__all__ = ["CODES", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a failure is one sentence and an exit code that means something to CI."""
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
