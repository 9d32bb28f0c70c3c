"""A request sent again under its id: the first answer again, from every protocol, process and after a kill."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from late_project import ROW, promote
from running import Running, running

from outlast.bundle.predictor import Predictor, open_predictor
from outlast.client.connecting import connect
from outlast.errors import Conflict, StorageError
from outlast.journal import reading
from outlast.journal.journal import Journal, seal
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.metrics import Metrics
from outlast.serving.repeats import Given, Repeats
from outlast.serving.together import Late, Together
from outlast.types import ModelRef, Named

OTHER = {**ROW, "origin": "LGA"}


def tensors(origin: str) -> dict[str, Any]:
    texts = {"origin": origin, "tailnum": "N1", "scheduled_at": "2013-06-28T14:00:00Z"}
    inputs = [{"name": name, "datatype": "BYTES", "shape": [1], "data": [text]} for name, text in texts.items()]
    return {"inputs": [*inputs, {"name": "distance", "datatype": "FP64", "shape": [1], "data": [500.0]}]}


WAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "one row": ("/predict/late", ROW, OTHER),
    "rows": ("/predict/late", {"rows": [ROW, OTHER]}, {"rows": [OTHER, ROW]}),
    "mlflow": ("/invocations", {"instances": [ROW]}, {"instances": [OTHER]}),
    "oip": ("/v2/models/late/infer", tensors("JFK"), tensors("LGA")),
}  # fmt: skip


def ask(client: httpx.Client, name: str | None, body: object = ROW, path: str = "/predict/late") -> httpx.Response:
    return client.post(path, json=body, headers={} if name is None else {"x-request-id": name})


def kept(workspace: Workspace, name: str) -> pl.DataFrame:
    return reading.predictions(workspace, "late").filter(pl.col("request_id") == name).collect()


@pytest.mark.parametrize("way", WAYS)
def test_a_repeat_gets_the_first_answer_and_nothing_is_kept_twice(
    server: Running, client: httpx.Client, way: str
) -> None:
    path, body, other = WAYS[way]
    first, again = (ask(client, way, body, path) for _ in range(2))
    assert first.status_code == again.status_code == 200, first.text
    assert first.content == again.content
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    rows = kept(server.workspace, way)
    assert rows["place"].to_list() == list(range(len(body.get("rows", [0]))))
    assert (rows["took"] > 0).all()
    conflict = ask(client, way, other, path)
    assert conflict.status_code == 409
    assert "The request id" in conflict.text


def test_ids_that_we_draw_are_not_remembered(server: Running, client: httpx.Client) -> None:
    drawn = ask(client, None).headers["x-request-id"]
    assert kept(server.workspace, drawn)["asked"].to_list() == [None]
    again = ask(client, drawn)
    assert (again.status_code, "idempotent-replayed" in again.headers) == (200, False)


def test_a_request_that_failed_may_be_sent_again_better(client: httpx.Client) -> None:
    assert ask(client, "wrong", {**ROW, "distance": "far"}).status_code == 422
    assert ask(client, "wrong").status_code == 200


def test_many_at_once_get_one_answer(server: Running, client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: ask(client, "at once").content, range(64)))
    assert len(set(found)) == 1
    assert kept(server.workspace, "at once").height == 1


def test_what_another_server_of_the_host_answered_is_given_again_also_once_it_is_sealed(
    trained: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "late"))
    workspace = Workspace.find(folder)
    promote(workspace, 1)
    body = {"rows": [ROW, OTHER, ROW]}
    with running(folder) as one, one.client() as first:
        said = [ask(first, "alone"), ask(first, "several", body)]
        with running(folder) as two, two.client() as second:
            again = [ask(second, "alone"), ask(second, "several", body)]
            assert ask(second, "alone", OTHER).status_code == 409
        one.kill()
    seal(workspace)
    with running(folder) as three, three.client() as third:
        later = [ask(third, "alone"), ask(third, "several", body)]
        assert ask(third, "several", ROW).status_code == 409
        figures = third.get("/metrics").text
    assert [one.content for one in said] == [one.content for one in again] == [one.content for one in later]
    assert 'outlast_requests_repeated_total{what="answered"} 2.0' in figures
    assert 'outlast_requests_repeated_total{what="refused"} 1.0' in figures
    assert reading.predictions(workspace, "late").collect().height == 4
    workspace.ledger.dispose()


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace.find(Path(shutil.copytree(trained, tmp_path_factory.mktemp("repeats") / "late")))
    yield workspace
    workspace.ledger.dispose()


@pytest.fixture(scope="module")
def version(place: Workspace) -> Predictor:
    return open_predictor(place, find(place.ledger, ModelRef.parse("late@1")).digest, 1)


class Server:
    """One server's end of it, in this process."""

    def __init__(self, place: Workspace, version: Predictor, journal: Journal) -> None:
        self.repeats, self.version, self.asked = Repeats(place, Metrics()), version, 0
        self.together = Together(journal, Metrics(), "here")
        self.fails: BaseException | None = None
        self.waits: Callable[[], Any] | None = None

    async def ask(self, name: str, row: dict[str, Any] = ROW, within: float | None = None) -> Given:
        async def answer() -> Given:
            self.asked += 1
            if self.waits is not None:
                await self.waits()
            if self.fails is not None:
                raise self.fails
            return Given(self.version, True, await self.together.answers(self.version, [row], named))

        named = Named(name)
        return await self.repeats.once(self.version, [row], named, answer, within=within)


@pytest.fixture
def here(place: Workspace, version: Predictor) -> Iterator[Server]:
    with Journal(place) as journal:
        found = Server(place, version, journal)
        yield found
        found.repeats.close()


def test_a_repeat_waits_for_the_first_and_no_longer_than_it_says(here: Server) -> None:
    async def run() -> None:
        begun = asyncio.Event()
        here.waits = begun.wait
        first = asyncio.create_task(here.ask("w"))
        await asyncio.sleep(0)
        with pytest.raises(Late):
            await here.ask("w", within=0.01)
        with pytest.raises(Conflict):
            await here.ask("w", OTHER)
        second = asyncio.create_task(here.ask("w"))
        await asyncio.sleep(0)
        begun.set()
        assert (await first).answers[0].prediction_id == (await second).answers[0].prediction_id
        assert (here.asked, (await first).again, (await second).again) == (1, False, True)

    asyncio.run(run())


def test_a_first_that_failed_or_went_away_leaves_its_place_to_the_next(here: Server) -> None:
    async def run() -> None:
        for fails in (StorageError("full"), asyncio.CancelledError()):
            here.fails = fails
            with pytest.raises(type(fails)):
                await here.ask("f")
        here.fails = None
        assert not (await here.ask("f")).again
        assert (await here.ask("f")).again

    asyncio.run(run())


def test_what_was_answered_before_the_caller_went_is_found_in_the_journal(here: Server) -> None:
    async def run() -> None:
        real = here.together.answers

        async def answers(*asked: Any, **more: Any) -> Any:
            found.append(await real(*asked, **more))
            raise asyncio.CancelledError

        found: list[Any] = []
        here.together.answers = answers  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await here.ask("gone")
        again = await here.ask("gone")
        assert (here.asked, again.again) == (1, True)
        assert again.answers[0].prediction_id == found[0][0].prediction_id

    asyncio.run(run())


def test_a_name_whose_answer_nobody_has_any_more_is_answered_anew(here: Server, place: Workspace) -> None:
    async def run() -> None:
        assert (await here.ask("lost")).advice
        here.repeats._kept.clear()
        found = await here.ask("lost")
        assert (found.again, found.advice) == (True, True)
        here.repeats._kept.clear()
        for segment in (place.log_root / "predictions" / "late").iterdir():
            segment.unlink()
        assert not (await here.ask("lost")).again

    asyncio.run(run())


def test_the_client_sends_again_what_was_cut_off_and_gets_one_prediction(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    with running(folder) as server, socket.create_server(("127.0.0.1", 0)) as door:

        def cut_once() -> None:
            for turn in range(2):
                caller, _ = door.accept()
                with caller, server.connect() as through:
                    through.sendall(whole(caller))
                    answer = whole(through)
                    if turn:
                        caller.sendall(answer)

        thread = threading.Thread(target=cut_once, daemon=True)
        thread.start()
        with connect(f"http://127.0.0.1:{door.getsockname()[1]}") as client:
            found = client.predict("late", ROW)
        thread.join(60)
    rows = reading.predictions(workspace, "late").collect()
    assert rows["prediction_id"].to_list() == [found.prediction_id]


def whole(peer: socket.socket) -> bytes:
    """A message whose body is an object."""
    data = b""
    while not data.endswith(b"}"):
        data += peer.recv(65536)
    return data
