"""Each segment gets one number, after its rows are in the tables and before its file goes, whoever dies on the way."""

import subprocess
import sys
from pathlib import Path

import pytest
from kept import NOON, Version, answer

from outlast.journal import sealing
from outlast.journal.columns import PREDICTIONS
from outlast.journal.journal import Journal, seal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.storage import appendlog
from outlast.types import micros

STREAM = "predictions/late"
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from kept import Version, answer
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
with Journal(Workspace(Path(sys.argv[1]))) as journal:
    journal.predictions([answer(1)], Version(), request_id="r", server="s")
    print("written", flush=True)
    sys.stdin.read()
"""


def write(workspace: Workspace, *ids: int) -> None:
    with Journal(workspace) as journal:
        journal.predictions([answer(n) for n in ids], Version(), request_id="r", server="s")


def numbered(workspace: Workspace, stream: str = STREAM) -> list[int]:
    return list(sealing.after(workspace.ledger, stream, 0, sealing.last(workspace.ledger)).values())


def test_segments_are_numbered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for turn in range(3):
        write(workspace, turn)
        with Journal(workspace) as journal:
            now = micros(NOON)
            journal.labels([label("late", True, key=f"k{turn}", known_at=now, at=now, origin="http")])
        seal(workspace)
    assert (numbered(workspace), numbered(workspace, "labels/late")) == ([1, 3, 5], [2, 4, 6])
    assert list(sealing.after(workspace.ledger, STREAM, 1, 4).values()) == [3]
    seal(workspace)
    assert sealing.last(workspace.ledger) == 6


@pytest.mark.parametrize("step", ["rows", "number", "file"])
def test_a_sealer_killed_at_any_step_leaves_rows_and_number_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    workspace = Workspace(tmp_path)
    write(workspace, 1, 2)
    write(workspace, 3)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        owner, name = {
            "rows": (workspace.tables, "append"),
            "number": (sealing, "note"),
            "file": (Path, "unlink"),
        }[step]
        patch.setattr(owner, name, dies)
        with pytest.raises(KeyboardInterrupt):
            seal(workspace)
    seal(workspace)
    assert sorted(workspace.tables.scan(STREAM).collect()["prediction_id"]) == ["p1", "p2", "p3"]
    assert len(numbered(workspace)) == 2
    assert appendlog.segments(workspace.log_root, STREAM) == []


def test_what_came_before_there_were_numbers_gets_them_in_the_order_of_names(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    names = ["20130702T", "20130701T", "20130703T"]
    write(workspace, 1)
    (segment,) = appendlog.segments(workspace.log_root, STREAM)
    payloads = list(appendlog.read(segment))
    for name in names:
        workspace.tables.append(STREAM, PREDICTIONS.frame(name, payloads), once=name)
    for _ in range(2):
        sealing.adopt(workspace, STREAM)
        assert list(sealing.after(workspace.ledger, STREAM, 0, 99)) == sorted(names)
    sealing.adopt(workspace, "labels/late")


def test_who_seals_gets_what_a_server_has_open(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    script = [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        assert seal(workspace) == {STREAM: 1}
        assert [list(appendlog.read(one)) for one in appendlog.segments(workspace.log_root, STREAM)] == [[]]
        writer.communicate("")
    assert writer.returncode == 0
    assert appendlog.segments(workspace.log_root, STREAM) == []


def test_a_journal_of_the_same_process_goes_on_after_its_segment_is_sealed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with Journal(workspace) as journal:
        for turn in range(3):
            journal.predictions([answer(turn)], Version(), request_id="r", server="s")
            assert seal(workspace) == {STREAM: 1}
    assert len(numbered(workspace)) == 3


def test_what_was_sealed_while_a_backup_was_taken_is_numbered_after_it_is_restored(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write(workspace, 1)
    (segment,) = appendlog.segments(workspace.log_root, STREAM)
    workspace.tables.append(STREAM, PREDICTIONS.frame("between", list(appendlog.read(segment))), once="between")
    assert not sealing.adopt_restored(workspace)
    with workspace.ledger.write() as connection:
        audit.record(connection, actor="ada", action="restore", object="workspace", detail={}, at=NOON)
    assert sealing.adopt_restored(workspace)
    assert list(sealing.after(workspace.ledger, STREAM, 0, 9)) == ["between"]
    assert not sealing.adopt_restored(workspace)
