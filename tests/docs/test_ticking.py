"""The page about ticks: its files can be read by what they are for, and what they call exists."""

import re
import shlex
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from outlast.cli.app import app
from outlast.project.contract import Contract
from outlast.types import duration

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "tick-by-itself.md").read_text("utf-8")
FILES = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))


def unit(name: str) -> ConfigParser:
    read = ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(FILES[name])
    return read


def job() -> dict[str, Any]:
    found = yaml.safe_load(FILES["tick.yaml"])
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "CronJob")
    return dict(found["spec"])


def container() -> dict[str, Any]:
    (one,) = job()["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return dict(one)


def called() -> dict[str, list[str]]:
    """The words after `outlast`, by the file that has them."""
    by_cron = FILES["crontab"].partition("/bin/outlast ")[2].partition(" >>")[0]
    services = {name: unit(name)["Service"]["ExecStart"] for name in ("outlast.service", "outlast-tick.service")}
    words = {name: shlex.split(line) for name, line in services.items()} | {"tick.yaml": container()["command"]}
    assert {Path(line[0]).name for line in words.values()} == {"outlast"}
    return {name: line[1:] for name, line in words.items()} | {"crontab": shlex.split(by_cron)}


@pytest.mark.parametrize("file", ["outlast.service", "outlast-tick.service", "crontab", "tick.yaml"])
def test_what_is_called_is_a_command_with_these_options(file: str) -> None:
    command, *options = called()[file]
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert command == ("up" if file == "outlast.service" else "tick")
    with known[command].make_context(command, list(options)) as made:
        assert made.args == []


def test_a_container_waits_for_what_it_started_and_a_timer_lets_it_be() -> None:
    assert "--wait" in called()["tick.yaml"]
    assert "--wait" not in called()["outlast-tick.service"]
    assert unit("outlast-tick.service")["Service"]["KillMode"] == "process"
    assert "outlast-tick.timer" in PAGE.partition("enable --now")[2]
    assert {"OnUnitInactiveSec", "OnBootSec"} <= set(unit("outlast-tick.timer")["Timer"])


def test_the_deadline_leaves_room_for_a_training_that_takes_as_long_as_it_may() -> None:
    whole = job()
    assert whole["concurrencyPolicy"] == "Forbid"
    assert whole["jobTemplate"]["spec"]["backoffLimit"] == 0
    limit = duration(Contract().retraining.limit).total_seconds()
    assert whole["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= limit + 600
    mounted = {one["name"] for one in container()["volumeMounts"]}
    assert mounted == {one["name"] for one in whole["jobTemplate"]["spec"]["template"]["spec"]["volumes"]}
