"""Who may ask what of a server: every path has a role, and without it nobody gets in."""

import http.client
import json
import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from late_project import ROW, promote
from running import Running, eventually, running

from outlast.project.workspace import Workspace
from outlast.registry.tokens import ROLES, Wanted, create, revoke
from outlast.serving.http.access import NEEDS
from outlast.serving.http.app import paths
from outlast.serving.keys import Keys
from outlast.types import now

LABEL = {"prediction_id": "x", "value": True}
FACT = {"origin": "JFK", "at": "2013-06-01T00:00:00Z", "wind": 3.0}
TENSORS = {
    "inputs": [
        {"name": name, "datatype": "FP64" if isinstance(value, float) else "BYTES", "shape": [1], "data": [value]}
        for name, value in ROW.items()
    ]
}
ASKED = {
    "/predict/{model}": ("POST", "/predict/late", ROW),
    "/invocations": ("POST", "/invocations", {"dataframe_records": [ROW]}),
    "/labels/{model}": ("POST", "/labels/late", LABEL),
    "/actions/{model}": ("POST", "/actions/late", {"key": "A", "action": "followed"}),
    "/queue/{model}": ("GET", "/queue/late", None),
    "/queue/{model}/{prediction_id}/claim": ("POST", "/queue/late/0123456789/claim", {}),
    "/queue/{model}/{prediction_id}/resolve": ("POST", "/queue/late/0123456789/resolve", {"value": True}),
    "/facts/{source}": ("POST", "/facts/weather", FACT),
    "/v2/models/{model}": ("GET", "/v2/models/late", None),
    "/v2/models/{model}/ready": ("GET", "/v2/models/late/ready", None),
    "/v2/models/{model}/infer": ("POST", "/v2/models/late/infer", TENSORS),
    "/v2/models/{model}/versions/{version}": ("GET", "/v2/models/late/versions/1", None),
    "/v2/models/{model}/versions/{version}/ready": ("GET", "/v2/models/late/versions/1/ready", None),
    "/v2/models/{model}/versions/{version}/infer": ("POST", "/v2/models/late/versions/1/infer", TENSORS),
    **{path: ("GET", path, None) for path, role in NEEDS.items() if "{" not in path and path != "/invocations"},
}


class Guarded(NamedTuple):
    server: Running
    secrets: dict[str, str]

    def ask(self, path: str, secret: str | None) -> httpx.Response:
        method, real, body = ASKED.get(path, ("GET", path, None))
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        with self.server.client() as client:
            return client.request(method, real, json=body, headers=headers)


def secret_of(workspace: Workspace, *roles: str, models: tuple[str, ...] = (), **more) -> str:
    wanted = Wanted.of(f"has {', '.join(roles)}", roles, models, at=now(), **more)
    return create(workspace.ledger, wanted, by="ada", at=now())[1]


@pytest.fixture(scope="module")
def guarded(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server of a workspace that has a token of every role."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("guarded") / "late"))
    place = Workspace.find(folder)
    promote(place, 1)
    secrets = {role: secret_of(place, role) for role in ROLES}
    secrets["elsewhere"] = secret_of(place, "admin", models=("other",))
    secrets["late"] = secret_of(place, "admin", models=("late",))
    with running(folder) as server:
        yield Guarded(server, secrets)


def test_every_path_of_a_server_has_an_entry() -> None:
    assert set(paths()) == set(NEEDS)
    assert set(ASKED) == set(NEEDS)


@pytest.mark.parametrize("path", NEEDS)
def test_a_path_is_for_its_role_and_admins_only(guarded: Guarded, path: str) -> None:
    needed = NEEDS[path]
    statuses = {role: guarded.ask(path, guarded.secrets[role]).status_code for role in ROLES}
    sees = {"train", "approve", "operate"} if needed == "view" else set()
    let_in = set(ROLES) if needed is None else {needed, "admin", *sees}
    there = 404 if "prediction_id" in path else 200
    assert statuses == {role: there if role in let_in else 403 for role in ROLES}


@pytest.mark.parametrize(
    "path", [*NEEDS, "/nothing", "/v2/", "/v2/models/", "/predict/", "/predict", "//", "/control/promote"]
)
def test_without_a_token_only_what_is_open_is_answered(guarded: Guarded, path: str) -> None:
    answer = guarded.ask(path, None)
    if path in NEEDS and NEEDS[path] is None:
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="outlast"')
    said = answer.json() if path.startswith("/v2") else answer.json()["error"]
    assert said["kind"] == "token"
    assert "Authorization: Bearer" in said["error" if path.startswith("/v2") else "message"]


def test_who_is_not_known_learns_no_names(guarded: Guarded) -> None:
    assert guarded.ask("/readyz", None).json() == {"status": "ready"}
    assert guarded.ask("/readyz", guarded.secrets["view"]).json()["models"] == {"late": 1}
    assert guarded.ask("/readyz", "wrong").status_code == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer outlast_00000000_" + "x" * 43, "Bearer \xff", "outlast_a_b"],
)
def test_what_is_no_token_is_not_taken(guarded: Guarded, header: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=60)
    connection.request("GET", "/metrics", headers={"authorization": header.encode("latin-1")})
    assert connection.getresponse().status == 401
    connection.close()


def test_a_token_for_other_models_does_not_reach_this_one(guarded: Guarded) -> None:
    inference = [path for path in NEEDS if path.startswith("/v2/models")]
    for path in ("/predict/{model}", "/labels/{model}", "/facts/{source}", "/metrics", *inference):
        answer = guarded.ask(path, guarded.secrets["elsewhere"])
        assert (answer.status_code, "is for other only" in answer.text) == (403, True)
    assert guarded.ask("/", guarded.secrets["elsewhere"]).json()["models"] == {}
    assert "/predict/late" not in guarded.ask("/openapi.json", guarded.secrets["elsewhere"]).text
    secret = {"authorization": f"Bearer {guarded.secrets['elsewhere']}"}
    with guarded.server.client() as client:
        body = {"dataframe_records": [ROW]}
        assert client.post("/invocations?model=late", json=body, headers=secret).status_code == 403
        assert "late" not in client.post("/invocations", json=body, headers=secret).text


def test_a_token_for_this_model_reaches_it(guarded: Guarded) -> None:
    inference = [path for path in NEEDS if path.startswith("/v2")]
    for path in ("/predict/{model}", "/labels/{model}", "/invocations", "/", "/openapi.json", *inference):
        assert guarded.ask(path, guarded.secrets["late"]).status_code == 200
    assert list(guarded.ask("/", guarded.secrets["late"]).json()["models"]) == ["late"]
    assert guarded.ask("/facts/{source}", guarded.secrets["late"]).status_code == 403


def test_with_a_token_any_host_is_meant(guarded: Guarded) -> None:
    with guarded.server.client() as client:
        headers = {"host": "models.example", "authorization": f"Bearer {guarded.secrets['predict']}"}
        assert client.post("/predict/late", json=ROW, headers=headers).status_code == 200
        assert client.post("/predict/late", json=ROW, headers={"host": "models.example"}).status_code == 401


def test_a_label_remembers_who_told_it(guarded: Guarded) -> None:
    assert guarded.ask("/labels/{model}", guarded.secrets["label"]).status_code == 200
    text = b"".join(file.read_bytes() for file in (guarded.server.workspace.log_root).rglob("*") if file.is_file())
    assert b"http, has label, token " in text


def test_the_first_token_closes_a_server_and_a_revoked_one_does_not_open_it_again(
    folder: Path, workspace: Workspace
) -> None:
    promote(workspace, 1)
    with running(folder) as server, server.client() as client:
        assert client.post("/predict/late", json=ROW).status_code == 200
        secret = secret_of(workspace, "predict")
        headers = {"authorization": f"Bearer {secret}"}
        eventually(lambda: client.post("/predict/late", json=ROW).status_code == 401, 10)
        assert client.post("/predict/late", json=ROW, headers=headers).status_code == 200
        revoke(workspace.ledger, secret, by="ada", at=now())
        eventually(lambda: client.post("/predict/late", json=ROW, headers=headers).status_code == 401, 10)
        assert client.post("/predict/late", json=ROW).status_code == 401


def test_an_expiry_counts_at_the_moment_and_the_last_known_stays_without_the_ledger(tmp_path: Path) -> None:
    place, at = Workspace(tmp_path), now()
    hour = timedelta(hours=1)
    moment = [at]
    secret = secret_of(place, "predict", expires_at=at + hour)
    known = Keys(place, clock=lambda: moment[0])
    known.look()
    assert known.holder(secret.encode()) is not None
    place.ledger.dispose()
    down = Workspace(tmp_path, settings=place.settings)
    (tmp_path / ".outlast" / "ledger.db").write_bytes(b"not a database, whatever SQLite makes of it" * 99)
    later = Keys(down, clock=lambda: moment[0])
    later.look()
    assert later.needed
    assert later.holder(secret.encode()) is not None
    moment[0] = at + hour
    assert later.holder(secret.encode()) is None
    assert not later.any_live
    (tmp_path / ".outlast" / "serving" / "tokens").unlink()
    nothing = Keys(down)
    nothing.look()
    assert nothing.needed
    assert nothing.holder(secret.encode()) is None


def test_no_secret_is_in_a_log_the_ledger_the_metrics_or_an_answer(
    folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(workspace, 1)
    secret = secret_of(workspace, "predict")
    short = secret_of(workspace, "view", expires_at=now() + timedelta(seconds=0.5))
    wrong = secret[:-4] + "AAAA"
    monkeypatch.setenv("LATE_PROJECT_LOG", str(logging.DEBUG))
    texts = []
    with running(folder) as server, server.client() as client:
        for one in (secret, short, wrong):
            headers = {"authorization": f"Bearer {one}", "x-request-id": "mine"}
            texts.append(client.get("/metrics", headers=headers).text)
            texts.append(client.post("/predict/late", content=b"{", headers=headers).text)
            texts.append(client.post("/predict/late", json=ROW, headers=headers).text)
            texts.append(client.post("/labels/late", json=[], headers=headers).text)
            texts.append(client.get("/nothing", headers=headers).text)
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    said = [*files, *(text.encode() for text in texts)]
    assert any(b"INFO outlast.serving Serving late@1" in file for file in files)
    for one in (secret, short, wrong):
        assert not any(one[-20:].encode() in text for text in said)
    assert json.loads(texts[1])["error"]["kind"] == "json"
