"""A load on a version: what it finds, and what it says when nothing can be found."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from slow_server import answering

from outlast.errors import NotFound, Refused, RequestError
from outlast.gates import loadtest
from outlast.gates.loadtest import Asked, drawable, load_test, picture
from outlast.project.contract import Contract
from outlast.registry.versions import Version
from outlast.types import now

VERSION: Any = SimpleNamespace(model="late", number=1, digest="d" * 64)
CONTRACT = Contract.model_validate({"serving": {"p99": "100ms", "rate": 40}})


@pytest.fixture(autouse=True)
def contract(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = SimpleNamespace(contract=CONTRACT, json=lambda _: [{"request": {"a": n}} for n in range(3)])
    monkeypatch.setattr(loadtest, "open_bundle", lambda *_: bundle)
    monkeypatch.setattr(loadtest, "contract_of", lambda *_: CONTRACT)


def asked(address: str, version: Version = VERSION, **more: Any) -> loadtest.LoadTest:
    wanted = Asked(seconds=1.0, address=address, **more)
    place: Any = SimpleNamespace(ledger=None)
    return load_test(place, version, wanted, now=now(), told=lambda _: None)


def test_a_server_that_keeps_up_holds_the_promise(tmp_path: Path) -> None:
    with answering(200) as address:
        found = asked(address)
    assert (found.requests, found.answered, found.failed, found.rungs) == (40, 40, {}, {"full": 40})
    assert found.rate == 40
    assert found.took["p50"] <= found.took["p99"] <= found.took["max"]
    for file in (tmp_path / "load.svg", tmp_path / "load.png"):
        picture(found, file)
    assert b"promised p99" in (tmp_path / "load.svg").read_bytes()
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


def test_a_server_that_falls_behind_is_timed_from_when_requests_were_due() -> None:
    with answering(200, seconds=0.05) as address:
        found = asked(address)
    assert found.took["p99"] > 500
    assert found.late > found.requests / 4
    assert not found.held


def test_what_fails_is_counted_by_what_it_got() -> None:
    with answering(*[200] * 60, 503) as address:
        found = asked(address, rate=100.0)
    assert sum(found.failed.values()) == found.failed["503"] == found.requests - found.answered
    assert not found.held


def test_answers_of_a_lower_rung_are_no_secret() -> None:
    with answering(200, rung="default") as address:
        found = asked(address)
    assert found.rungs == {"default": 40}
    assert "40 answers are of a lower rung than the full model" in found.remarks


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [(401, Refused, "wants a token that may predict"), (404, NotFound, "answers 404 to a request for late")],
)
def test_a_server_that_does_not_answer_for_it_is_told_at_once(status: int, error: type, sentence: str) -> None:
    with answering(status) as address, pytest.raises(error, match=sentence):
        asked(address)


def test_where_nobody_listens_and_where_no_rate_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match=r"Nothing answers at http://127.0.0.1:9: start a server"):
        asked("http://127.0.0.1:9")
    monkeypatch.setattr(loadtest, "contract_of", lambda *_: Contract())
    with pytest.raises(RequestError, match="says no \\[serving\\] rate: give one with --rate"):
        asked("http://127.0.0.1:9")


def test_a_picture_that_cannot_be_written_is_told_before_the_load(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"'x\.jpg' is no picture's name"):
        drawable(tmp_path / "x.jpg")
    with pytest.raises(NotFound, match="There is no folder"):
        drawable(tmp_path / "nowhere" / "x.svg")
