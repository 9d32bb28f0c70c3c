"""A backup taken while a server answers and the journal is sealed: nothing answered before is lost, nothing doubled."""

import shutil
import threading
from pathlib import Path

import httpx
from late_project import ROW, promote
from running import Running, running

from outlast.journal import reading
from outlast.journal.journal import seal
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.backup.putting import restore
from outlast.registry.backup.taking import backup
from outlast.serving.alive import living
from outlast.types import now

FIRST, DURING = 60, 40


def test_every_answer_given_before_is_in_the_restored_journal_once(
    folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    promote(workspace, 1)
    with running(folder) as server:
        answered = ask_while(server, lambda: backup(workspace, tmp_path / "b.tar", by="ada", now=now()))
        said = asked(server)
        assert living(workspace)
    found = Workspace(tmp_path / "new")
    shutil.copytree(folder, found.root, ignore=shutil.ignore_patterns(".outlast"))
    restore(found, tmp_path / "b.tar", by="bob", now=now(), served_by=living(found))
    for _ in range(2):  # from the log and the tables, then from the tables alone
        ids = reading.predictions(found, "late").collect()["prediction_id"].to_list()
        assert len(ids) == len(set(ids))
        assert answered <= set(ids)
        seal(found)
    assert audit.verify(found.ledger) is None
    with running(found.root) as again:
        assert asked(again) == said
    found.ledger.dispose()


def ask_while(server: Running, act) -> set[str]:
    """Ask from two clients and seal as the tick does, and act in the middle; gives what was answered before that."""
    given: set[str] = set()
    stop, many = threading.Event(), threading.Semaphore(0)

    def ask() -> None:
        with server.client() as client:
            while not stop.is_set():
                answer = client.post("/predict/late", json={"rows": [ROW] * 3}).raise_for_status().json()
                given.update(one["prediction_id"] for one in answer["predictions"])
                many.release()

    def tick() -> None:
        while not stop.is_set():
            seal(server.workspace)
            many.acquire(timeout=1)

    threads = [threading.Thread(target=one) for one in (ask, ask, tick)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(FIRST):
            assert many.acquire(timeout=60)
        before = set(given)
        act()
        for _ in range(DURING):
            assert many.acquire(timeout=60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return before


def asked(server: Running) -> list[object]:
    """What the server says of one request, apart from what names the answer."""
    with server.client() as client:
        answer: httpx.Response = client.post("/predict/late", json={"rows": [ROW]}).raise_for_status()
    return [{k: v for k, v in one.items() if k != "prediction_id"} for one in answer.json()["predictions"]]
