"""Runs the tests that the suite leaves out for their length: those marked slow, of which every one must pass."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-m", "slow", "-n", "2", "--dist", "worksteal"]
    return subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
