"""Fifty models in one server: all answer, and looking for changes costs what it costs for one."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from fifty import many
from late_project import ROW
from running import eventually, running

from outlast.bundle.predictor import open_predictor
from outlast.project.workspace import Workspace
from outlast.serving.house import House


@pytest.fixture(scope="module")
def fifty(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return many(Workspace.find(trained), "late@1", tmp_path_factory.mktemp("fifty"), 50)


def test_fifty_models_answer_from_one_server(fifty: Workspace) -> None:
    with running(fifty.root) as server, server.client() as client:
        names = [f"model-{index:02}" for index in range(50)]
        assert client.get("/readyz").json()["models"] == dict.fromkeys(names, 1)
        answers = [client.post(f"/predict/{name}", json=ROW).json() for name in names]
        assert [one["model"] for one in answers] == names
        assert len({one["score"] for one in answers}) == 1


def test_a_look_costs_no_more_for_fifty_models_than_for_one(fifty: Workspace, trained: Path, tmp_path: Path) -> None:
    asked = []
    for place in (fifty, many(Workspace.find(trained), "late@1", tmp_path, 1)):
        house = House(place, open_predictor, server="counted")
        house.look()
        assert house.refused == {}
        asked.append(statements(house, place))
        house.close()
    assert asked[0] == asked[1]
    assert 0 < asked[0] <= 5


def statements(house: House, place: Workspace) -> int:
    """How often a look in which nothing has changed asks the ledger."""
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        house.look()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    return len(seen)


def test_models_nobody_tried_are_proven_side_by_side(trained: Path, tmp_path: Path) -> None:
    many(Workspace.find(trained), "late@1", tmp_path, 2, proven=False)
    with running(tmp_path) as server, server.client() as client:
        eventually(lambda: len(client.get("/readyz").json()["models"]) == 2)
        assert 'outlast_version_trials_total{model="model-01",result="passed"} 1.0' in client.get("/metrics").text
