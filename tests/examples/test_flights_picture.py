"""The demo's picture: however crowded a year is, each text can be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from outlast.monitoring.incidents.incident import Incident
from outlast.registry.rollout import Transition
from outlast.replaying.faults import Fault

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"
START, DAYS = datetime(2013, 7, 1, tzinfo=UTC), 184
SVG = "{http://www.w3.org/2000/svg}"
WORDS = ("+1,234,567 USD from July to December", "+12,345 USD against the model frozen in June.")


def module() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return import_module("picture")


picture = module()


def at(day: float) -> datetime:
    return START + timedelta(days=float(day))


def fault(name: str, since: float, until: float | None) -> Fault:
    ends = None if until is None else at(until)
    return Fault(name=name, source="weather", columns=["temp"], null=True, since=at(since), until=ends)


FAULTS = [
    fault("the weather feed sends Celsius for Fahrenheit", 42, 49),
    fault("a silent null in the tail number", 44, 58),
    fault("the first days were odd already", -3, 2),
    fault("and the last ones are, to their very end", 180, None),
]


def crowded(changes: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    steps = [
        Transition("late", n, "rollback" if n % 4 == 0 else "promote", n, n + 1, at(day), "loop", None, None)
        for n, day in enumerate(np.sort(rng.uniform(1, DAYS - 1, changes)), 1)
    ]
    seen = [incident(at(day), f"SEV{rng.integers(1, 4)}") for day in rng.uniform(0, DAYS - 1, 30)]
    return picture.Happened(FAULTS, seen, steps)


def incident(opened: datetime, severity: Any) -> Incident:
    times = dict.fromkeys(("since", "last", "seen_at", "opened_at", "changed_at", "told_at"), opened)
    return Incident(
        id="a", model="late", version=1, cause="c", severity=severity, state="open", owner=None, runbook=None,
        title="t", closed_at=None, found=(), **times,
    )  # fmt: skip


def earned() -> list[dict[str, Any]]:
    worth = np.random.default_rng(1).normal(3e4, 6e4, DAYS).cumsum()
    first: date = START.date()
    return [
        {"day": first + timedelta(days=n), "worth": float(usd), "frozen_worth": float(usd) * 0.9}
        for n, usd in enumerate(worth)
    ]


@dataclass(frozen=True)
class Text:
    says: str
    left: float
    right: float
    top: float
    bottom: float


def texts(node: ElementTree.Element, x: float = 0.0, y: float = 0.0) -> Iterator[Text]:
    """Each text and the room it surely takes: half its height for a letter, which is less than any font's mean."""
    for move in node.get("transform", "").split(")"):
        kind, _, numbers = move.strip().partition("(")
        if kind == "rotate":
            return  # the title of the axis
        if kind == "translate":
            across, down = (float(number) for number in numbers.split(","))
            x, y = x + across, y + down
    if node.tag == f"{SVG}text":
        says = "".join(node.itertext())
        high = float(node.get("font-size", "11px").removesuffix("px"))
        long = len(says) * high * 0.5
        left = x - {"end": long, "middle": long / 2}.get(node.get("text-anchor", "start"), 0.0)
        yield Text(says, left, left + long, y - high * 0.7, y)
    for child in node:
        yield from texts(child, x, y)


@pytest.fixture(scope="module", params=[0, 6, 40])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ElementTree.Element:
    folder = tmp_path_factory.mktemp("picture")
    svg, png = picture.save(folder, earned(), crowded(request.param), WORDS)
    assert png.read_bytes().startswith(b"\x89PNG")
    return ElementTree.fromstring(svg.read_bytes())


def test_no_text_lies_over_another_or_outside(drawn: ElementTree.Element) -> None:
    said = list(texts(drawn))
    wide, high = (float(drawn.get("viewBox", "").split()[place]) for place in (2, 3))
    assert {one.name for one in FAULTS} | {"nobody acts", "July"} <= {one.says for one in said}
    for number, one in enumerate(said):
        assert 0 <= one.left < one.right <= wide, one
        assert 0 <= one.top < one.bottom <= high, one
        for other in said[number + 1 :]:
            apart = one.right <= other.left or other.right <= one.left
            assert apart or one.bottom <= other.top or other.bottom <= one.top, (one, other)


def test_what_happened_stands_above_the_money(drawn: ElementTree.Element) -> None:
    said = list(texts(drawn))
    money = min(one.top for one in said if one.says[:1].isdigit() and one.says.endswith("M"))
    for one in said:
        if one.says in {fault.name for fault in FAULTS} or one.says.startswith(("@", "back to @")):
            assert one.bottom < money + 14, one


def test_a_change_hangs_below_each_text_that_its_line_would_cross() -> None:
    labels = [picture.Label("back to @12", left + 4, left, left) for left in (0.0, 30.0, 60.0, 300.0)]
    assert picture.lanes(labels, hung=True) == [0, 1, 2, 0]
    assert picture.lanes(labels, hung=False) == [0, 1, 2, 0]
    freed = [
        picture.Label("a long name of a fault", *place) for place in ((0.0, 0, 9), (90.0, 90, 99), (180.0, 180, 9))
    ]
    assert picture.lanes(freed, hung=False) == [0, 1, 0]
    assert picture.lanes(freed, hung=True) == [0, 1, 2]


def test_every_change_and_severity_is_in_it(tmp_path: Path) -> None:
    happened = crowded(6)
    svg, _ = picture.save(tmp_path, earned(), happened, WORDS)
    said = [one.says for one in texts(ElementTree.fromstring(svg.read_bytes()))]
    assert [one for one in said if "@" in one] == ["@2", "@3", "@4", "back to @5", "@6", "@7"]
    assert {f"incident, {one.severity}" for one in happened.incidents} <= set(said)
