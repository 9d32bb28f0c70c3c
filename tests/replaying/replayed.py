"""The project of `outlast init`, trained as of a day in its own past, and a server in this process that is told it."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outlast.bundle.predictor import open_predictor
from outlast.cli import main
from outlast.clock import Hand, telling
from outlast.project.loader import Project, load_project
from outlast.project.position import clock_file
from outlast.replaying.run import Listeners, Plan, Told, replay
from outlast.replaying.sending import Lanes
from outlast.serving.server import local

DAY = timedelta(days=1)
BEGIN = datetime(2025, 5, 24, tzinfo=UTC)
PLAN = Plan(BEGIN, BEGIN + 2 * DAY, every=None)


@dataclass
class Shop:
    """A folder whose model is live as of BEGIN."""

    folder: Path

    def project(self) -> Project:
        return load_project(self.folder)


def command(folder: Path, *words: str) -> int:
    """A command in a folder, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", "off")
        with pytest.raises(SystemExit) as end:
            main(words)
    return int(end.value.code or 0)


def trained(folder: Path) -> Shop:
    """The project of `outlast init`, its first version live as of BEGIN."""
    assert command(folder, "init", "shop") == 0
    shop = folder / "shop"
    clock = shop / ".outlast" / "clock"
    clock.parent.mkdir()
    with telling(clock, BEGIN):
        assert command(shop, "train", "--quiet") == 0
        assert command(shop, "promote", "--quiet") == 0
    return Shop(shop)


def copied(shop: Shop, folder: Path) -> Shop:
    """The same in another folder."""
    shutil.copytree(shop.folder, folder)
    return Shop(folder)


@contextmanager
def told_to(project: Project) -> Iterator[tuple[Hand, Lanes, str]]:
    """A server of the project's workspace in this process, on the clock of its replays."""
    with (
        telling(clock_file(project.workspace), BEGIN) as hand,
        local(project.workspace, opener=open_predictor) as address,
        closing(Lanes(address, 4)) as lanes,
    ):
        yield hand, lanes, address


def played(project: Project, *, listeners: Listeners | None = None, **changed: Any) -> Told:
    """What came of a replay of two days without ticks, or as changed."""
    with told_to(project) as (hand, lanes, _):
        return replay(project, replace(PLAN, **changed), hand, lanes, listeners=listeners)
