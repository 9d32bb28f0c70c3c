"""A new project: the files under `template/`, named after its folder, and data to train on at once."""

import json
import re
import tempfile
from importlib.metadata import distribution, version
from pathlib import Path

from outlast.errors import Conflict, RequestError, StorageError
from outlast.project.shop import shop

TEMPLATE = Path(__file__).parent / "template"
STANDS_FOR_THE_NAME = "my-model"
_DOTTED = ("gitignore", "github")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def start(where: Path, name: str) -> tuple[Path, list[str]]:
    """Make the folder `name` with a project in it, whole or not at all; returns the folder and its files."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"'{name[:100]}' cannot be the name of a model and its folder: "
            "use letters, digits, dots, dashes and underscores, such as `outlast init late-orders`"
        )
    folder = where / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} exists already and is not empty: choose another name, or remove it first")
    files = dict(sorted(_files(name).items()))
    try:
        with tempfile.TemporaryDirectory(dir=where, prefix=f".{name}-") as aside:
            made = Path(aside) / name
            for file, text in files.items():
                place = made / file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8", newline="\n")
            made.replace(folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error}; look at the disk and its permissions") from error
    return folder, list(files)


def _files(name: str) -> dict[str, str]:
    """Text by path: the template's own files with the project's name in them, and the data."""
    found = {}
    for path in TEMPLATE.rglob("*"):
        parts = path.relative_to(TEMPLATE).parts
        if path.is_file() and "__pycache__" not in parts:
            text = path.read_text(encoding="utf-8").replace(STANDS_FOR_THE_NAME, name)
            place = "/".join(f".{part}" if part in _DOTTED else part for part in parts)
            found[place] = text.replace("outlast==VERSION", _this_outlast())
    return found | {f"data/{file}": rows for file, rows in shop().items()}


def _this_outlast() -> str:
    """The Outlast that runs, as a requirement: its version, or the commit of the repository it was installed from."""
    came_from = json.loads(distribution("outlast").read_text("direct_url.json") or "{}")
    if "vcs_info" not in came_from:
        return f"outlast=={version('outlast')}"
    system = came_from["vcs_info"]
    return f"outlast @ {system['vcs']}+{came_from['url']}@{system['commit_id']}"
