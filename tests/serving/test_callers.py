"""Requests that a web page elsewhere would make a browser send are turned away, before anything reads them."""

import http.client
import json

import pytest
from late_project import ROW
from running import Running

from outlast.serving.http.callers import stranger

HERE = ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9", "127.0.0.2:80", "[::1]", "[::1]:8000"]
ELSEWHERE = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example:8000", "192.168.1.5:8000"),
    *("localhost:x", "localhost:80:80", "[::1", "[::1]8000", "[2001:db8::1]:8000", "::1:8000", "", "local\xe9host"),
]


def ask(server: Running, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = json.dumps(ROW) if method == "POST" else None
    connection.request(method, path, body, {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


@pytest.mark.parametrize("host", HERE)
def test_names_of_this_machine_are_answered(server: Running, host: str) -> None:
    assert ask(server, "POST", "/predict/late", {"host": host})[0] == 200
    assert ask(server, "GET", "/readyz", {"host": host, "origin": f"http://{host}"})[0] == 200


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_name_is_refused_in_the_one_shape(server: Running, host: str) -> None:
    for method, path in (("POST", "/predict/late"), ("GET", "/"), ("GET", "/nothing")):
        status, found = ask(server, method, path, {"host": host})
        assert status == 403
        assert set(found) == {"error"}
        assert found["error"]["kind"] == "refused"
        assert str(found["error"]["message"]).startswith(
            f"The request's Host is '{host}', and this server answers its own"
        )


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://evil.example:8000", "null", "", "file://", "ftp://localhost"]
)
def test_a_page_of_elsewhere_is_refused(server: Running, origin: str) -> None:
    status, found = ask(server, "POST", "/predict/late", {"origin": origin})
    assert (status, found["error"]["kind"]) == (403, "refused")
    assert f"Origin is '{origin}'" in found["error"]["message"]


def test_of_two_hosts_both_count_and_without_one_it_is_no_browser() -> None:
    assert stranger({"headers": [(b"host", b"localhost"), (b"host", b"evil.example")]}) is not None
    assert stranger({"headers": [(b"accept", b"*/*")]}) is None


def test_a_refusal_keeps_the_requests_id_and_is_counted(server: Running) -> None:
    with server.client() as client:
        refused = client.get("/readyz", headers={"host": "evil.example", "x-request-id": "mine"})
        assert (refused.status_code, refused.headers["x-request-id"]) == (403, "mine")
        assert 'outlast_requests_total{path="other",status="403"}' in client.get("/metrics").text
