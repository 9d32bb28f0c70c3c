"""How much memory is left: of the machine, and of the container where there is one."""

from pathlib import Path

_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def room(memory: Path = _MEMORY, group: Path = _GROUP) -> int | None:
    """Bytes that a new process may take without taking them from another; None where the system does not say."""
    known = [found for found in (_of_machine(memory), _of_container(group)) if found is not None]
    return min(known, default=None)


def _of_machine(file: Path) -> int | None:
    try:
        lines = file.read_text("ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _of_container(folder: Path) -> int | None:
    """By the second version of control groups, else by the first; what is cached there can be given up."""
    for most, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, now = (folder / most).read_text("ascii").strip(), int((folder / used).read_text("ascii"))
            stat = (folder / used).with_name("memory.stat").read_text("ascii").split()
        except (OSError, ValueError):
            continue
        if not limit.isdigit():
            return None
        given_up = int(stat[stat.index(cached) + 1]) if cached in stat else 0
        return max(0, int(limit) - now + given_up)
    return None
