"""Versions whose libraries are not here: answered by real processes of another Python, which may die."""

import os
import signal
import sys
from pathlib import Path

import pytest
from faulty import FAULTS, MORE, changed
from late_project import ROW, promote
from running import eventually, running

from outlast.bundle.predictor import open_predictor
from outlast.errors import RequestError, StorageError, Unavailable
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.apart.predictor import Apart, open_apart
from outlast.serving.apart.worker import Gone, Worker
from outlast.serving.memory import Known
from outlast.types import ModelRef, now

QUESTION = {**ROW, "decide_at": "2013-06-26T12:00:00Z"}
HERE = Path(sys.executable)


def known(workspace: Workspace, number: int = 1) -> Known:
    return Known("late", number, find(workspace.ledger, ModelRef("late", number)).digest)


@pytest.mark.usefixtures("elsewhere")
def test_a_version_whose_library_is_not_here_answers_from_a_process_of_its_own(
    workspace: Workspace, odd: tuple[str, int]
) -> None:
    _, number = odd
    expected = open_predictor(workspace, known(workspace).digest, 1).predict([QUESTION], at=now())[0].score
    promote(workspace, 1)
    with running(workspace.root) as server, server.client() as client:
        promote(workspace, number)
        eventually(lambda: client.get("/readyz").json()["models"] == {"late": number})
        assert client.get("/readyz").json()["apart"] == ["late"]
        said = client.post("/predict/late", json=QUESTION).json()
        assert (said["version"], said["score"], said["rung"]) == (number, expected, "full")
        several = client.post("/predict/late", json={"rows": [QUESTION] * 3}).json()["predictions"]
        assert [one["score"] for one in several] == [expected] * 3
        wrong = client.post("/predict/late", json={**QUESTION, "distance": "far"})
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "distance")
        assert "outlast_model_live{" in client.get("/metrics").text


def test_where_no_environment_can_be_made_the_version_before_stays(workspace: Workspace) -> None:
    _, number = changed(workspace, MORE, environment="oddities==1.0\n", python="2.7.18")
    promote(workspace, 1)
    with running(workspace.root) as server, server.client() as client:
        promote(workspace, number)
        eventually(lambda: client.get("/readyz").json()["refused"])
        (says,) = client.get("/readyz").json()["refused"]
        assert "version 1 stays: " in says
        assert "No module named 'oddities'" in says
        assert "nor can the environment be made that it was trained in: " in says
        assert "it needs Python 2.7.18" in says
        assert client.post("/predict/late", json=QUESTION).json()["version"] == 1


def test_a_process_that_is_killed_is_replaced_and_its_requests_fall_down_the_ladder(workspace: Workspace) -> None:
    one = open_apart(workspace, known(workspace), HERE)
    try:
        before = one.pid
        (answer,) = one.predict([QUESTION], at=now())
        assert answer.rung == "full"
        assert before is not None
        os.kill(before, signal.SIGKILL)
        with pytest.raises(Unavailable, match=r"late@1 cannot answer \(the process .* has ended by SIGKILL\)"):
            one.predict([QUESTION], at=now())
        eventually(lambda: one.pid not in (None, before))
        assert one.predict([QUESTION], at=now())[0].score == answer.score
    finally:
        one.close()
    with pytest.raises(Unavailable):
        one.predict([QUESTION], at=now())


def test_what_the_version_says_of_a_row_comes_through(workspace: Workspace) -> None:
    digest, number = changed(workspace, "\nLine.predict_proba = lambda self, x: 1 / 0\n")
    one = open_apart(workspace, Known("late", number, digest), HERE)
    try:
        with pytest.raises(Unavailable, match="the model raised ZeroDivisionError"):
            one.predict([QUESTION], at=now())
        with pytest.raises(RequestError, match="distance"):
            one.predict([{**QUESTION, "distance": "far"}], at=now())
        assert one.lookups
        assert one.ages(0).keys() == {"weather", "landings"}
        for work in (lambda: one.over(workspace.fresh), lambda: one.score_features(None)):
            with pytest.raises(StorageError, match="answered by a process of its own"):
                work()
    finally:
        one.close()


def test_one_that_cannot_be_opened_there_says_so(workspace: Workspace) -> None:
    digest, number = changed(workspace, FAULTS["exits"].replace("Line.predict_proba = lambda self, x: ", ""))
    with pytest.raises(Gone, match="has ended with status 7"):
        open_apart(workspace, Known("late", number, digest), HERE)


def test_one_that_says_nothing_is_given_up(workspace: Workspace) -> None:
    digest, number = changed(workspace, FAULTS["hangs"])
    with pytest.raises(Gone, match="said nothing for 3 s"):
        Worker(workspace, Known("late", number, digest), HERE, seconds=3)


def test_what_is_no_plain_value_is_not_taken(workspace: Workspace) -> None:
    """What is run there must not run here."""
    digest, number = changed(
        workspace,
        "\nimport outlast.bundle.predictor as inside\nimport pathlib\n"
        "inside.Predictor.predict = lambda *_, **__: [type('A', (), {'__struct_fields__': ()})()]\n"
        "import msgspec\nmsgspec.structs.asdict = lambda one: {'score': pathlib.PurePosixPath('x')}\n",
    )
    one = open_apart(workspace, Known("late", number, digest), HERE)
    try:
        with pytest.raises(Unavailable, match="expected plain values"):
            one.predict([QUESTION], at=now())
    finally:
        one.close()


def test_it_ends_with_its_server(workspace: Workspace) -> None:
    one: Apart = open_apart(workspace, known(workspace), HERE)
    worker = one._worker
    assert worker is not None
    worker._line.close()  # as the system does when the server ends
    assert worker._process.wait(30) == 0
    one.close()
