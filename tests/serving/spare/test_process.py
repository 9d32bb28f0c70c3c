"""Versions whose code does harm, tried in a real process that nobody else suffers from."""

import os
import threading
from pathlib import Path

import pytest
from faulty import FAULTS, changed

from outlast.project.workspace import Workspace
from outlast.serving.memory import Known
from outlast.serving.spare import process
from outlast.serving.spare.process import Spare, Trial
from outlast.serving.spare.room import room


def tried(workspace: Workspace, fault: str, seconds: float = 60) -> Trial:
    digest, number = changed(workspace, FAULTS.get(fault, fault))
    return Spare(workspace, Known("late", number, digest), seconds=seconds).result()


@pytest.mark.parametrize(
    ("fault", "result", "says"),
    [
        ("exits", "died", "it ended the process with status 7 while its golden rows were asked"),
        ("crashes", "died", 'it ended the process by SIGSEGV in "<bundle '),
        ("raises", "failed", "RuntimeError: the licence ran out"),
        ("eats", "failed", "it needs more memory than is left here"),
        ("lies", "failed", "it does not give the answers of its training here: golden row 0 has the scores"),
        ("# harmless\n", "passed", ""),
    ],
)
def test_what_a_version_does_to_its_process_is_said(workspace: Workspace, fault: str, result: str, says: str) -> None:
    trial = tried(workspace, fault)
    assert (trial.result, trial.passed) == (result, result == "passed")
    assert says in trial.says


def test_a_version_that_hangs_is_given_up(workspace: Workspace) -> None:
    trial = tried(workspace, "hangs", seconds=4)
    assert trial.result == "late"
    assert "it was not done within 4 s: it hung while it was " in trial.says


def test_a_trial_can_be_stopped(workspace: Workspace) -> None:
    digest, number = changed(workspace, FAULTS["hangs"])
    spare, found = Spare(workspace, Known("late", number, digest), seconds=60), []
    waiting = threading.Thread(target=lambda: found.append(spare.result()))
    waiting.start()
    spare.stop()
    waiting.join(30)
    assert [one.result for one in found] == ["stopped"]


def test_a_trial_ends_with_whoever_began_it(workspace: Workspace) -> None:
    digest, number = changed(workspace, FAULTS["hangs"])
    spare = Spare(workspace, Known("late", number, digest), seconds=60)
    assert spare._process.stdin is not None
    spare._process.stdin.write(spare._job)
    spare._process.stdin.flush()
    os.close(spare._life)  # as the system does when this process ends
    assert spare._process.wait(30) == 1
    for stream in (spare._process.stdin, spare._process.stdout):
        assert stream is not None
        stream.close()


def test_no_python_there_is_said(workspace: Workspace) -> None:
    with pytest.raises(FileNotFoundError):
        Spare(workspace, Known("late", 1, "d"), seconds=1, python=Path("/nowhere/python"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"meminfo": "MemTotal: 9 kB\nMemAvailable: 2048 kB\n"}, 2048 << 10),
        ({"memory.max": "4096\n", "memory.current": "1096\n", "memory.stat": "anon 5\ninactive_file 96\n"}, 3096),
        ({"memory.max": "max\n", "memory.current": "1096\n", "memory.stat": ""}, None),
        (
            {
                "meminfo": "MemAvailable: 1 kB\n",
                "memory/memory.limit_in_bytes": "9000",
                "memory/memory.usage_in_bytes": "1000",
                "memory/memory.stat": "total_inactive_file 500\n",
            },
            1024,
        ),
    ],
)
def test_the_smaller_of_machine_and_container_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert room(tmp_path / "meminfo", tmp_path) == expected


def test_there_is_some_room_here() -> None:
    found = room()
    assert found is None or found > 1 << 20
    assert process._LEFT < 1
