"""`/control/…` over real HTTP: who may do what, what is answered, and that what has begun is done to its end."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from outlast.control import http
from outlast.control.acting import Acting
from outlast.control.client import Server
from outlast.control.http import controls
from outlast.control.operations import ARTIFACT, BACKFILL, OPERATIONS
from outlast.control.shapes import About, Filled
from outlast.errors import OutlastError, StorageError
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.judge import Finding
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.tokens import ROLES, Wanted, create
from outlast.registry.versions import register
from outlast.serving.server import local
from outlast.types import digest_of, now

LINES = "application/x-ndjson"
BODY: dict[str, dict[str, Any]] = {
    "apply": {"model": "late", "contract": {}},
    "create-token": {"name": "eve", "roles": ["view"]},
    **{name: {"id": "zzzzz"} for name in ("incident", "ack", "assign", "snooze", "resolve", "accept")},
    "incidents": {},
    "revoke-token": {"id": "00000000"},
}


class Served(NamedTuple):
    address: str
    workspace: Workspace
    secrets: dict[str, str]

    def ask(self, role: str, method: str, name: str, **sent: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.secrets[role]}", **sent.pop("headers", {})}
        return httpx.request(method, f"{self.address}/control/{name}", headers=headers, timeout=60, **sent)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a ledger with two models that nobody trained, and a token of every role."""
    place = Workspace(tmp_path_factory.mktemp("control"))
    record = {"code_digest": None, "task": "binary", "summary": {}, "lineage": {}, "by": "ada", "at": now()}
    for model in ("late", "churn"):
        register(place.ledger, model, digest=digest_of(model), **record)
    secrets = {role: create(place.ledger, Wanted.of(role, [role], at=now()), by="ada", at=now())[1] for role in ROLES}
    only = Wanted.of("only late", ["admin"], ["late"], at=now())
    secrets["late"] = create(place.ledger, only, by="ada", at=now())[1]
    with controls(place) as extra, local(place, extra=extra) as address:
        yield Served(address, place, secrets)
    place.ledger.dispose()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_an_operation_is_for_its_role_and_admins_only(served: Served, operation) -> None:
    method = "POST" if operation.posted else "GET"
    body = {"json": BODY.get(operation.name, {"model": "absent"})} if operation.posted else {"params": {}}
    let_in = {"admin", *operation.roles}
    let_in |= {"train", "approve", "operate"} if operation.role == "view" else set()
    for role in ROLES:
        answer = served.ask(role, method, operation.name, **body)
        refused = answer.status_code == 403 and "needs" in answer.text
        assert refused is (role not in let_in), (role, answer.text)
    assert httpx.request(method, f"{served.address}/control/{operation.name}").status_code == 401


def test_every_operation_has_somebody_who_does_it_and_a_model_where_it_is_about_one() -> None:
    assert http._DO.keys() == {one.name for one in OPERATIONS}
    for one in OPERATIONS:
        assert issubclass(one.takes, About) is (one.reach not in ("everything", "incident"))


def test_a_token_for_one_model_is_told_of_that_one_only(served: Served) -> None:
    found = served.ask("late", "GET", "versions").json()
    assert [one["model"] for one in found["versions"]] == ["late"]
    assert served.ask("late", "GET", "history").json()["model"] == "late"  # of two models, the one it covers
    assert served.ask("late", "GET", "history", params={"model": "churn"}).status_code == 403
    assert served.ask("late", "GET", "tokens").status_code == 403
    assert served.ask("late", "POST", "create-token", json=BODY["create-token"]).status_code == 403
    assert {one["model"] for one in served.ask("view", "GET", "versions").json()["versions"]} == {"late", "churn"}


def test_incidents_are_seen_and_attended_to_with_a_token_of_their_model(served: Served) -> None:
    at = now()
    scope = Scope("churn", 1, "day", at, at + timedelta(days=1))
    finding = Finding("empty-column", "wind", "page", "wind is missing", None)
    with served.workspace.ledger.write() as connection:
        assert raise_findings(connection, scope, [finding], Contract(), at) == 1
    (seen,) = served.ask("view", "GET", "incidents").json()
    assert (seen["model"], seen["severity"], seen["owner"]) == ("churn", "SEV1", None)
    assert served.ask("late", "GET", "incidents").json() == []
    assert served.ask("late", "GET", "incident", params={"id": seen["id"]}).status_code == 404
    assert served.ask("late", "POST", "ack", json={"id": seen["id"]}).status_code == 404
    assert served.ask("view", "POST", "ack", json={"id": seen["id"]}).status_code == 403
    done = served.ask(
        "operate", "POST", "snooze", json={"id": seen["id"][:4], "length": "4h", "reason": "lunch"}
    ).json()
    assert (done["incident"]["state"], done["timeline"][-1]["by"]) == ("snoozed", "operate")
    assert served.ask("operate", "POST", "snooze", json={"id": seen["id"], "length": "soon"}).status_code == 422
    assert served.ask("approve", "POST", "accept", json={"id": seen["id"], "reason": "so it is"}).status_code == 200
    assert served.ask("operate", "POST", "resolve", json={"id": seen["id"]}).status_code == 409
    closed = served.ask("view", "GET", "incidents", params={"closed": "true"}).json()
    assert [one["state"] for one in closed] == ["accepted"]
    entry = audit.entries(served.workspace.ledger, object="churn")[-1]
    assert (entry.action, entry.actor, entry.detail["identity"][:5]) == ("accept incident", "approve", "token")


@pytest.mark.parametrize(
    ("method", "name", "sent", "status", "said"),
    [
        ("GET", "history", {}, 404, "name one of churn, late"),
        ("GET", "history", {"params": {"model": "lat"}}, 404, "did you mean 'late'"),
        ("GET", "history", {"params": {"modle": "late"}}, 422, "it takes model"),
        ("POST", "promote", {"json": {"model": "late@9"}}, 404, "has no version 9"),
        ("POST", "promote", {"json": {"model": 7}}, 422, "Expected `str"),
        ("POST", "promote", {"json": []}, 422, "Expected `object`"),
        ("POST", "promote", {"content": b"{"}, 400, "not JSON"),
        ("GET", "promote", {}, 405, "use POST"),
        (
            "POST", "apply", {"json": {"model": "late", "contract": {"monitoring": {"cadence": "0s"}}}}, 422,
            "'monitoring.cadence': expected 1m or more",
        ),
        (
            "POST", "apply", {"json": {"model": "late", "contract": {"monitoring": {"quiet": ["night"]}}}}, 422,
            "'monitoring.quiet': 'night' is not two times of day",
        ),
        ("POST", "promte", {"json": {}}, 404, "There is nothing at"),
        ("POST", "rollback", {"json": {}, "headers": {"x-outlast-control": "999"}}, 409, "install the same release"),
        ("POST", "artifact", {"content": b"x", "headers": {"x-outlast-control": "999"}}, 409, "install the same"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(served: Served, method: str, name: str, sent, status, said: str) -> None:
    answer = served.ask("admin", method, name, **sent)
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (status, True), answer.text


def test_without_tokens_nothing_is_changed_over_http(tmp_path) -> None:
    place = Workspace(tmp_path)
    with controls(place) as extra, local(place, extra=extra) as address:
        answer = httpx.post(f"{address}/control/rollback", json={})
        assert (answer.status_code, "outlast token create" in answer.text) == (401, True)
        assert httpx.get(f"{address}/control/versions").status_code == 401
        assert httpx.post(f"{address}/control/{ARTIFACT}", content=b"x").status_code == 401
    place.ledger.dispose()


def test_an_artifact_is_kept_under_its_digest(served: Served) -> None:
    data = b"a bundle" * 100_000
    assert Server(served.address, served.secrets["train"]).send(data) == digest_of(data)
    assert served.workspace.artifacts.get(digest_of(data)) == data
    assert list(served.workspace.home.glob("artifact-*")) == []
    assert served.ask("operate", "POST", ARTIFACT, content=data).status_code == 403


class Slow:
    """A backfill that tells of its rows, and ends when it is let."""

    def __init__(self) -> None:
        self.go, self.done = threading.Event(), threading.Event()

    def __call__(self, acting: Acting, about: About) -> Filled:
        acting.watcher.total(3, "weather")
        acting.watcher.advance(1)
        assert self.go.wait(30)
        acting.watcher.advance(2)
        self.done.set()
        return Filled(about.ref.name, {"weather": 3})


class Watching:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def total(self, rows: int | None, of: str = "rows") -> None:
        self.told.append((rows, of))

    def advance(self, rows: int) -> None:
        self.told.append((rows,))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    found = Slow()
    monkeypatch.setitem(http._DO, "backfill", found)
    return found


def test_progress_and_outcome_come_line_by_line(served: Served, slow: Slow) -> None:
    watching = Watching()
    threading.Timer(0.01, slow.go.set).start()
    done = Server(served.address, served.secrets["operate"]).ask(BACKFILL, About("late"), watching)
    assert done == Filled("late", {"weather": 3})
    assert watching.told[0] == (3, "weather")
    assert sum(told[0] for told in watching.told[1:]) == 3


def test_who_waits_for_one_answer_gets_one(served: Served, slow: Slow) -> None:
    slow.go.set()
    answer = served.ask("operate", "POST", "backfill", json={"model": "late"})
    assert (answer.status_code, answer.json()) == (200, {"model": "late", "facts": {"weather": 3}})


def test_a_quiet_operation_says_that_it_goes_on(served: Served, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_STILL", 0.01)
    headers = {"authorization": f"Bearer {served.secrets['operate']}", "accept": LINES}
    with httpx.stream("POST", f"{served.address}/control/backfill", json={"model": "late"}, headers=headers) as answer:
        said = []
        for line in answer.iter_lines():
            said.append(json.loads(line)["is"])
            if said.count("waits") > 1:
                slow.go.set()
    assert "total" in said
    assert said[-1] == "result"


def test_a_caller_who_leaves_does_not_stop_what_has_begun(served: Served, slow: Slow) -> None:
    headers = {"authorization": f"Bearer {served.secrets['operate']}", "accept": LINES}
    with httpx.stream("POST", f"{served.address}/control/backfill", json={"model": "late"}, headers=headers) as answer:
        assert json.loads(next(answer.iter_lines()))["is"] == "total"
    slow.go.set()
    assert slow.done.wait(30)


def test_an_accident_is_in_the_log_and_not_in_the_answer(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(acting: Acting, about: About) -> Filled:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setitem(http._DO, "backfill", breaks)
    with pytest.raises(StorageError, match="The server failed to backfill: see its log") as error:
        Server(served.address, served.secrets["operate"]).ask(BACKFILL, About("late"))
    assert "secret of ours" not in str(error.value)
    assert "a secret of ours" in caplog.text
    assert served.ask("operate", "POST", "backfill", json={"model": "late"}).status_code == 500


def test_an_error_arrives_as_it_was_raised(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in OutlastError.__subclasses__():

        def refuses(acting: Acting, about: About, kind: type[OutlastError] = kind) -> Filled:
            raise kind("No, because of late: do something else", details={"failed": ["value"]})

        monkeypatch.setitem(http._DO, "backfill", refuses)
        if kind.__module__ != "outlast.errors":
            continue
        with pytest.raises(kind, match="No, because of late") as error:
            Server(served.address, served.secrets["operate"]).ask(BACKFILL, About("late"))
        assert error.value.details == {"failed": ["value"]}


@pytest.mark.parametrize(
    "asked",
    [{"limit": 2**63}, {"limit": -1}, {"since": "0001-01-01T00:00:00+10:00"}, {"since": "9999-12-31T23:59:59-10:00"}],
)
def test_numbers_and_moments_that_nothing_can_hold_are_refused(served: Served, asked: dict[str, Any]) -> None:
    found = served.ask("admin", "GET", "audit-log", params=asked)
    assert (found.status_code, found.json()["error"]["kind"]) == (422, "request")
