"""Every command's help, as the command line prints it."""

from typer import Typer
from typer.testing import CliRunner

from outlast.cli.app import app

WIDTH = 100


def text() -> str:
    """The help of `outlast` itself and of each command, in the order of a model's life."""
    found = [f"```text\n{_help([])}\n```"]
    for name in names():
        found.append(f"## outlast {name}\n\n```text\n{_help(name.split())}\n```")
    return "\n\n".join(found)


def names() -> list[str]:
    """The commands, in the order they are registered, those of a group by both its words."""
    grouped = [f"{group.name} {name}" for group in app.registered_groups for name in _names_in(group.typer_instance)]
    return [*_names_in(app), *grouped]


def _names_in(group: Typer | None) -> list[str]:
    commands = [] if group is None else group.registered_commands
    return [str(one.name or getattr(one.callback, "__name__", "")).replace("_", "-") for one in commands]


def _help(words: list[str]) -> str:
    done = CliRunner().invoke(
        app, [*words, "--help"], prog_name="outlast", terminal_width=WIDTH, max_content_width=WIDTH
    )
    if done.exit_code != 0:
        raise RuntimeError(f"outlast {' '.join(words)} --help ended with {done.exit_code}: {done.output}")
    return "\n".join(line.rstrip() for line in done.output.strip().splitlines())
