"""A command that ends when whoever started it does: `python -m outlast.replaying.tethered COMMAND …`.

Its own input is the tether: a pipe that the starter holds open and writes nothing into. The system closes it with the
starter, however that ended, SIGKILL included; then the command is told to end, once, and killed if it does not.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

LEAVE = 60.0
"""Seconds that a command has to end after it was told to."""


def main(command: Sequence[str]) -> int:
    """Run a command until it ends, or the tether is let go; gives what it exited with."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_hold, args=(sys.stdin.fileno(), process), daemon=True).start()
    return process.wait()


def _hold(tether: int, process: "subprocess.Popen[bytes]") -> None:
    while os.read(tether, 1):
        pass
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
