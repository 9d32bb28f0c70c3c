"""Heads noted outside the database: a trail that was cut, added to or written anew is found, every time."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from outlast.errors import StorageError
from outlast.registry import audit
from outlast.registry.audit import Entry, telling
from outlast.storage.ledger import Ledger, Outside, open_ledger, schema

LONG = 12
TABLE = schema.audit


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "outside" / "audit-heads.jsonl")


@pytest.fixture
def ledger(url: str, outside: Outside) -> Iterator[Ledger]:
    with open_ledger(url, outside) as opened:
        yield opened


def write(ledger: Ledger, at: datetime, number: int) -> Entry:
    with ledger.write() as connection:
        return audit.record(connection, actor="ada", action="note", object="late", detail={"n": number}, at=at)


def rows(ledger: Ledger) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.seq))]


def chained(trail: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entries, numbered and chained anew as somebody does who knows this code."""
    before, found = audit.FIRST, []
    for seq, row in enumerate(trail, start=1):
        made = Entry(**{**row, "seq": seq, "previous": before})
        before = made.expected()
        found.append({**vars(made), "digest": before})
    return found


Forgery = Callable[[list[dict[str, Any]], int, datetime], list[dict[str, Any]]]


def edited(trail: list[dict[str, Any]], place: int, noon: datetime) -> list[dict[str, Any]]:
    return [{**row, "actor": "mallory"} if index == place else row for index, row in enumerate(trail)]


def removed(trail: list[dict[str, Any]], place: int, noon: datetime) -> list[dict[str, Any]]:
    return trail[:place] + trail[place + 1 :]


def cut(trail: list[dict[str, Any]], place: int, noon: datetime) -> list[dict[str, Any]]:
    return trail[:place]


def inserted(trail: list[dict[str, Any]], place: int, noon: datetime) -> list[dict[str, Any]]:
    return [*trail[: place + 1], {**trail[place], "detail": {**trail[place]["detail"], "n": 99}}, *trail[place + 1 :]]


def backdated(trail: list[dict[str, Any]], place: int, noon: datetime) -> list[dict[str, Any]]:
    return [{**row, "at": noon - timedelta(days=9)} if index == place else row for index, row in enumerate(trail)]


FORGERIES: list[Forgery] = [edited, removed, cut, inserted, backdated]


def test_every_forgery_is_found_wherever_it_is_and_however_well_the_chain_is_made_again(
    ledger: Ledger, noon: datetime, tamper: Callable[..., int]
) -> None:
    for number in range(LONG):
        write(ledger, noon + timedelta(minutes=number), number)
    true, draw = rows(ledger), random.Random(5)
    assert audit.examine(ledger).noted == LONG
    assert audit.verify(ledger) is None
    for turn in range(60):
        forge, place, again = FORGERIES[turn % len(FORGERIES)], draw.randrange(LONG), turn % 4 != 0
        false = forge(true, place, noon)
        false = chained(false) if again else false
        seqs = {row["seq"] for row in false}
        false = false if len(seqs) == len(false) else chained(false)  # two of one number the database refuses
        head = {"seq": false[-1]["seq"], "digest": false[-1]["digest"]} if false else {"seq": 0, "digest": audit.FIRST}
        tamper(sa.delete(TABLE), *(sa.insert(TABLE).values(row) for row in false), _head(head))
        broken = audit.verify(ledger)
        assert broken is not None, (forge.__name__, place, again)
        assert broken.seq <= place + 2, (forge.__name__, place, again, broken)
    whole = {"seq": true[-1]["seq"], "digest": true[-1]["digest"]}
    tamper(sa.delete(TABLE), *(sa.insert(TABLE).values(row) for row in true), _head(whole))
    assert audit.verify(ledger) is None


def _head(value: dict[str, Any]) -> sa.Executable:
    return sa.update(schema.marks).where(schema.marks.c.name == audit.HEAD).values(value=value)


def test_a_trail_that_was_removed_with_its_mark_is_found(ledger: Ledger, noon: datetime, tamper) -> None:
    write(ledger, noon, 1)
    tamper(sa.delete(TABLE), sa.delete(schema.marks))
    assert "Audit entry 1 is missing at the end of the trail" in audit.verify(ledger).sentence


DYING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from outlast.registry import audit
from outlast.registry.audit import telling, trail
from outlast.storage.ledger import Outside, open_ledger
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
where = sys.argv[3]
if where == "after the commit":
    telling.kept = die
ledger = open_ledger(sys.argv[1], Outside(Path(sys.argv[2])))
with ledger.write() as connection:
    audit.record(connection, actor="ada", action="note", object="late", detail={}, at=datetime.now(UTC))
    if where == "before the commit":
        die()
"""


@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_a_crash_on_either_side_of_the_commit_is_no_alarm_and_is_caught_up(
    url: str, ledger: Ledger, outside: Outside, noon: datetime, where: str
) -> None:
    write(ledger, noon, 1)
    done = subprocess.run([sys.executable, "-c", DYING, url, str(outside.file), where], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(rows(ledger)) == (1 if where == "before the commit" else 2)
    report = audit.examine(ledger)
    assert (report.broken, report.failed) == (None, ())
    kept = [note.seq for note in outside.read()[1] if note.state == "kept"]
    assert max(kept) == len(rows(ledger))
    write(ledger, noon, 3)
    assert audit.verify(ledger) is None


def test_an_entry_that_says_nothing_of_a_file_cannot_follow_one_that_does(ledger: Ledger, url: str, noon) -> None:
    write(ledger, noon, 1)
    with open_ledger(url) as blind:
        write(blind, noon, 2)
    assert "it does not say where it was noted" in audit.verify(ledger).sentence


def test_entries_noted_on_another_machine_are_told_of(ledger: Ledger, url: str, noon, tmp_path: Path) -> None:
    write(ledger, noon, 1)
    with open_ledger(url, Outside(tmp_path / "elsewhere.jsonl")) as other:
        write(other, noon, 2)
    report = audit.examine(ledger)
    assert report.broken is None
    assert "1 entry noted in another file" in report.remarks[0]


def test_half_a_line_left_by_a_dead_process_is_no_alarm(ledger: Ledger, outside: Outside, noon: datetime) -> None:
    write(ledger, noon, 1)
    with outside.file.open("ab") as file:
        file.write(b'{"seq": 2, "dig')
    write(ledger, noon, 2)
    report = audit.examine(ledger)
    assert (report.broken, report.noted) == (None, 2)
    assert "1 line of" in report.remarks[0]


def test_a_file_that_is_gone_is_told_of(ledger: Ledger, outside: Outside, noon: datetime) -> None:
    write(ledger, noon, 1)
    outside.file.unlink()
    assert any("is not there" in remark for remark in audit.examine(ledger).remarks)
    assert any("noted in another file" in remark for remark in audit.examine(ledger).remarks)


def test_what_cannot_be_noted_is_not_done(tmp_path: Path, noon: datetime) -> None:
    (tmp_path / "file").write_text("")
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", Outside(tmp_path / "file" / "heads.jsonl")) as ledger:
        with pytest.raises(StorageError, match="The head of the audit trail cannot be noted"):
            write(ledger, noon, 1)
        assert rows(ledger) == []


def test_environments_share_a_file_without_meeting(tmp_path: Path, noon: datetime) -> None:
    for name in ("dev", "staging"):
        with open_ledger(f"sqlite:///{tmp_path}/{name}.db", Outside(tmp_path / "heads", None, name)) as ledger:
            write(ledger, noon, 1)
            assert audit.verify(ledger) is None


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.heard.append(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), _Hook)
    server.heard, server.status = [], 200
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_told_and_a_failure_is_told_of_until_it_hears(tmp_path: Path, noon: datetime, hook: Any) -> None:
    outside = Outside(tmp_path / "heads.jsonl", f"http://127.0.0.1:{hook.server_port}/heads")
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", outside) as ledger:
        first = write(ledger, noon, 1)
        _wait_for_webhook(outside, 1)
        assert hook.heard == [{"seq": 1, "digest": first.digest, "at": noon.isoformat(), "environment": "dev"}]
        hook.status = 500
        write(ledger, noon, 2)
        report = audit.examine(ledger)
        assert report.broken is None
        assert "the webhook knows 1 of 2 entries (HTTPStatusError" in report.failed[0]
        hook.status = 200
        assert audit.examine(ledger).failed == ()
    assert hook.heard[-1]["seq"] == 2


def _wait_for_webhook(outside: Outside, seq: int) -> None:
    """Its thread is waited for as an ending process does."""
    import threading

    for thread in threading.enumerate():
        if thread.name == "outlast-audit-webhook":
            thread.join(30)
    told = telling.last_told(outside)
    assert told is not None
    assert (told.seq, told.error) == (seq, None)
    assert os.path.exists(outside.told)
