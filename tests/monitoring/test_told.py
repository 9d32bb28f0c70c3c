"""Who was told: what was said once is one line, whichever routes it was said on."""

from datetime import timedelta
from pathlib import Path

import pytest
from watched import DAY, MODEL, START, made, predict, through_the_day
from webhook import Webhook

from outlast.cli.watched import watched
from outlast.monitoring.report import report
from outlast.monitoring.telling.alerts import Message, say
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import apply
from outlast.retraining.tick import tick

DEAD = "http://127.0.0.1:9/secret-path"
HOUR = timedelta(hours=1)
LATER = START + DAY + HOUR


def told(folder: Path, routes: list[str]) -> Workspace:
    place, origin = made(folder, {"monitoring": {"cadence": "1d", "routes": routes}})
    predict(place, origin, through_the_day(240), seed=2)
    for number in range(2):
        detail = {"version": 1, "from": (START + number * HOUR).isoformat()}
        message = Message(MODEL, "drift", (str(number),), "page", f"column {number} has moved", detail)
        with place.ledger.write() as connection:
            say(connection, message, routes, START + number * HOUR)
    return place


def shown(place: Workspace, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines under the heading, what goes on below joined."""
    watched(report(place, MODEL), 5)
    after = capsys.readouterr().out.split("Who was told\n")[1].replace("\n" + " " * 13, " ")
    return [line.strip() for line in after.splitlines()]


def test_one_page_on_three_routes_is_one_line_that_names_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Webhook() as hook:
        place = told(tmp_path, ["log", hook.url, DEAD])
        tick(place, now=LATER)
        there = hook.url.removesuffix("/secret-path")
        first, second = shown(place, capsys)
        assert first.startswith("page       column 0 has moved (")
        named = first.removesuffix(")").partition("(")[2].split("; ")
        assert len(named) == 3
        assert set(named) == {"http://127.0.0.1:9: waits, 1 attempt", f"{there}: delivered", "log: delivered"}
        assert second.startswith("page       column 1 has moved (")
        assert "secret" not in first + second
        live = Contract.model_validate({"monitoring": {"cadence": "1d", "routes": ["log"]}})
        apply(place.ledger, MODEL, live, by="ada", at=LATER)
        tick(place, now=LATER + HOUR)
        assert "http://127.0.0.1:9: went to log instead" in shown(place, capsys)[0]
        assert len(hook.keys) == 2


def test_where_no_route_is_named_nobody_was_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = told(tmp_path, [])
    tick(place, now=LATER)
    first, second = shown(place, capsys)
    assert first == "page       column 0 has moved (nobody: no route is named)"
    assert second.startswith("page       column 1")
