"""Where packages come from: what only pip was told, said to uv."""

import os
import subprocess
import sys
from collections.abc import Mapping

_OPTIONS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
}


def uv_environment() -> dict[str, str]:
    """This process's environment, with pip's indexes for uv where uv has none of its own.

    pip takes the best version of all its indexes; uv is told to do the same.
    """
    mine = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    own = {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE"}
    if own & mine.keys():
        return mine
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **translated(_pip_says()), **mine}


def translated(pip: Mapping[str, str]) -> dict[str, str]:
    """pip's options as variables that uv reads.

    >>> translated({"extra-index-url": "https://a/simple\\nhttps://b/simple"})
    {'UV_INDEX': 'https://a/simple https://b/simple'}
    """
    found = {}
    for option, value in pip.items():
        if option in _OPTIONS and value.strip():
            variable, between = _OPTIONS[option]
            found[variable] = between.join(value.split())
    return found


def _pip_says() -> dict[str, str]:
    """pip's configuration, by option: its files, then its variables; nothing where there is no pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ("global", "install") or (section == ":env:" and option not in ("config-file",)):
            found[option] = value.strip().strip("'\"").replace("\\n", "\n")
    return found
