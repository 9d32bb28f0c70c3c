"""Versions come and go, each with large values in its modules; the memory of those that went is given back."""

from pathlib import Path

from faulty import changed
from late_project import ROW, promote
from running import Running, eventually, running

from outlast.project.workspace import Workspace
from outlast.serving.spare.proofs import Proofs
from outlast.types import now

SWAPS = 12
LARGE = 16
"""Megabytes in the modules of each version."""


def resident(server: Running) -> float:
    """Megabytes of memory that the process has."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def test_a_dozen_swaps_leave_the_memory_of_two_versions(folder: Path, workspace: Workspace) -> None:
    promote(workspace, 1)
    made = [changed(workspace, f"\nLARGE = np.full({LARGE} << 17, {turn}.0)\n") for turn in range(SWAPS)]
    for digest, _ in made:
        Proofs(workspace).note(digest, at=now(), seconds=0.0, by="gate")
    with running(folder) as server, server.client() as client:
        client.post("/predict/late", json=ROW)
        before = resident(server)
        for _, number in made:
            promote(workspace, number)
            eventually(lambda: client.post("/predict/late", json=ROW).json()["version"] == number)  # noqa: B023
        eventually(lambda: resident(server) < before + 6 * LARGE)
