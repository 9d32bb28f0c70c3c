"""The command line itself: light, in the order of a model's life, every command with its sentence."""

import re
import subprocess
import sys

import pytest

from outlast.cli.app import app

HEAVY = {"polars", "mlflow", "sklearn", "pandas", "sqlalchemy", "numpy", "pyarrow", "deltalake", "pydantic"}
LIFE = [
    "init",
    "check",
    "apply",
    "train",
    "adopt",
    "dataset",
    "versions",
    "show",
    "why",
    "card",
    "reproduce",
    "compare",
]
LIFE += ["gate", "load-test", "approve", "reject", "promote", "withdraw", "rollback", "retire", "transfer", "history"]
LIFE += ["retrain", "decisions", "ab"]
LIFE += ["ready"]
LIFE += [
    "serve",
    "predict",
    "score",
    "label",
    "act",
    "push",
    "backfill",
    "monitor",
    "value",
    "feeds",
    "skew",
    "incidents",
    "incident",
    "ack",
    "assign",
    "snooze",
    "resolve",
    "accept",
    "weekly",
    "tick",
    "up",
    "replay",
    "doctor",
]
LIFE += ["backup", "restore", "erase"]

GROUPS = ["features", "queue", "audit", "token"]


def test_help_loads_none_of_the_heavy_libraries() -> None:
    code = """
import sys
from outlast.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code in (0, None)
print(*{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "outlast" in loaded
    assert loaded & HEAVY == set()


def test_commands_stand_in_the_order_of_a_model_s_life(run) -> None:
    shown = re.findall(r"^  ([a-z-]+)  +\S", run("--help").out.partition("Commands:")[2], flags=re.MULTILINE)
    assert shown == [*LIFE, *GROUPS]
    assert [command.callback.__name__.replace("_", "-") for command in app.registered_commands] == LIFE


def test_every_sentence_of_the_help_fits_a_terminal(run) -> None:
    done = run("--help")
    assert done.code == 0
    assert "..." not in done.out.partition("Commands:")[2]
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("name", LIFE)
def test_every_command_says_what_it_does(run, name: str) -> None:
    done = run(name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: outlast {name}")
    assert re.search(r"^  [A-Z].*[.]$", done.out, flags=re.MULTILINE)
    for option in re.findall(r"^ +(--?[a-z-]+.*)$", done.out, flags=re.MULTILINE):
        assert re.search(r"  +\S", option), f"{name} {option} has no help"


@pytest.mark.parametrize("name", [n for n in LIFE if n not in ("serve", "up")])
def test_every_command_that_ends_can_speak_json(run, name: str) -> None:
    assert "--json" in run(name, "--help").out


def test_a_misspelt_command_gets_the_nearest_one(run) -> None:
    done = run("trian")
    assert done.code == 2
    assert "Did you mean 'train'" in done.err


def test_the_version_is_the_installed_one(run) -> None:
    import outlast

    assert run("--version").out.strip() == outlast.__version__


def test_python_m_outlast_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "outlast", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)
