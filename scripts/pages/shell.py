"""One bash per page, so that cd, export and '&' mean what a reader thinks."""

import os
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts.pages.blocks import PageError

PATIENCE = 280.0
"""Seconds a command may take: a little less than pytest allows a whole test."""


class Shell:
    """A bash that runs commands one at a time and tells each one's status, output and folder."""

    def __init__(self, folder: Path, *, patience: float = PATIENCE) -> None:
        self._home = folder / "home"
        self._home.mkdir(parents=True)
        self.folder = folder / "page"
        self.folder.mkdir()
        self._output = folder / "output"
        self._patience = patience
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        tools = Path(sys.executable).parent
        path = f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"
        screen = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **screen, "PATH": path, "HOME": str(self._home)}

    def run(self, command: str) -> tuple[int, str]:
        """The status and output of a command; a background one leaves its later output unread."""
        assert self._bash.stdin is not None
        quoted, output = shlex.quote(command), shlex.quote(str(self._output))
        script = f"""{{ eval {quoted}; }} </dev/null >{output} 2>&1; printf '%s %s\\n' "$?" "$PWD"\n"""
        self._bash.stdin.write(script.encode())
        self._bash.stdin.flush()
        status, _, folder = self._answer(command).rstrip("\n").partition(" ")
        self.folder = Path(folder)
        return int(status), self._output.read_text("utf-8", "replace")

    def _answer(self, command: str) -> str:
        assert self._bash.stdout is not None
        pipe, answer, deadline = self._bash.stdout.fileno(), b"", time.monotonic() + self._patience
        while not answer.endswith(b"\n"):
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise PageError(f"'{command}' did not end within {self._patience:.0f} s")
            chunk = os.read(pipe, 4096)
            if not chunk:
                raise PageError(f"'{command}' ended the page's shell")
            answer += chunk
        return answer.decode()

    def close(self) -> None:
        """Ends the shell and whatever it left running."""
        for gentle in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._bash.pid, gentle)
                self._bash.wait(5)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        for pipe in (self._bash.stdin, self._bash.stdout):
            if pipe is not None:
                pipe.close()
        self._bash.wait()
