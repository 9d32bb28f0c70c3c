"""Which requests a challenger answers, and what becomes of those it cannot."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from late_project import ROW, promote
from running import Running, eventually, running

from outlast.journal.columns import PREDICTIONS, SHADOWS
from outlast.journal.journal import seal
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.served import history
from outlast.serving.beside import Beside
from outlast.types import now


def standing(share: float, version: int = 2, stage: str = "canary") -> Beside:
    seat: Any = SimpleNamespace(predictor=SimpleNamespace(model="late", version=version))
    return Beside(seat, stage, share)


def test_a_share_is_that_share_of_the_keys_and_only_grows() -> None:
    keys = [str(n) for n in range(20_000)]
    few, many = ({key for key in keys if standing(share).answers(key)} for share in (10, 30))
    assert abs(len(few) / len(keys) - 0.10) < 0.008  # 3.8 standard errors
    assert abs(len(many) / len(keys) - 0.30) < 0.013
    assert few < many
    assert few == {key for key in keys if standing(10).answers(key)}


def test_another_version_draws_other_keys() -> None:
    keys = [str(n) for n in range(20_000)]
    both = sum(standing(10, 2).answers(key) and standing(10, 3).answers(key) for key in keys)
    assert abs(both / len(keys) - 0.01) < 0.003


def test_a_shadow_is_never_heard() -> None:
    assert not any(standing(100, stage="shadow").answers(str(n)) for n in range(100))


@pytest.fixture(scope="module")
def folder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("beside") / "late"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    promote(Workspace.find(folder), 1)
    with running(folder) as found:
        yield found


def change(server: Running, action: Any, number: int | None = None, share: float | None = None) -> None:
    """Change the rollout, and wait until the server has taken it."""
    ledger = server.workspace.ledger
    verdict = None
    if number is not None:
        with ledger.read() as connection:
            record = verdicts.newest(connection, "late", number)
        assert record is not None
        verdict = record.digest
    transition(ledger, "late", action=action, to=number, share=share, by="ada", at=now(), verdict=verdict)
    wanted = None if number is None else f"{number} as {action}" + ("" if share is None else f" {share:g}%")

    def taken() -> bool:
        body = httpx.get(f"{server.address}/readyz").json()
        return bool(body.get("beside", {}).get("late") == wanted)

    eventually(taken)


def asked(client: httpx.Client, flight: str) -> int:
    answer = client.post("/predict/late", json={**ROW, "flight": flight})
    assert answer.status_code == 200
    return int(answer.json()["version"])


def test_a_canary_answers_for_the_same_keys_every_time(server: Running) -> None:
    change(server, "ab", 2, 50.0)
    try:
        with server.client() as client:
            first = {f"F{n}": asked(client, f"F{n}") for n in range(40)}
            assert set(first.values()) == {1, 2}
            assert {flight: asked(client, flight) for flight in first} == first
            named = {"inputs": [{"flight": flight, **ROW} for flight in list(first)[:1]]}
            assert client.post("/invocations", json=named).status_code == 200
            counts = re.findall(
                r'outlast_predictions_total\{.*role="(\w+)".*version="(\d)"\}', client.get("/metrics").text
            )
            assert {("ab", "2"), ("live", "1")} <= set(counts)
    finally:
        change(server, "withdraw")
    with server.client() as client:
        assert {asked(client, flight) for flight in first} == {1}
    spans = history(server.workspace.ledger, "late")
    assert [(one.version, one.role, one.until is None) for one in spans] == [(1, None, True), (2, "ab", False)]


def test_a_shadow_is_asked_and_kept_apart(server: Running) -> None:
    change(server, "shadow", 3)
    try:
        with server.client() as client:
            ids = {client.post("/predict/late", json={**ROW, "flight": f"S{n}"}).json()["version"] for n in range(12)}
            assert ids == {1}

            def told() -> bool:
                text = client.get("/metrics").text
                counts = re.findall(r'outlast_shadow_answers_total\{.*version="3".*\} (\d+)', text)
                return sum(map(int, counts)) == 12

            eventually(told)
            role = 'outlast_predictions_total{model="late",role="shadow",rung="full",version="3"} 12.0'
            assert role in client.get("/metrics").text
            assert 'outlast_model_beside{model="late",stage="shadow",version="3"} 1.0' in client.get("/metrics").text
    finally:
        change(server, "withdraw")


def test_what_a_shadow_says_is_in_a_table_of_its_own(server: Running, folder: Path) -> None:
    """The last of the module: the server ends, so that its journal can be sealed."""
    server.stop()
    place = Workspace.find(folder)
    seal(place)
    shadows = place.tables.scan(SHADOWS.stream("late")).collect()
    answers = place.tables.scan(PREDICTIONS.stream("late")).collect()
    assert set(shadows["version"]) == {3}
    assert shadows.height == 12
    assert 3 not in set(answers["version"])
    beside = answers.filter(answers["request_id"].is_in(shadows["request_id"].implode()))
    assert sorted(beside["request_id"]) == sorted(shadows["request_id"])
    joined = beside.join(shadows, on="request_id", suffix="_shadow")
    assert joined["decide_at"].equals(joined["decide_at_shadow"].alias("decide_at"))
