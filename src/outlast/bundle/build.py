"""Outlast itself as a wheel: the build that made a version, so that exactly this one can be installed again."""

import base64
import hashlib
import io
import zipfile
from functools import lru_cache
from importlib.metadata import Distribution, distribution
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_KEPT = ("METADATA", "entry_points.txt", "top_level.txt")
_PACKAGE = Path(__file__).parents[1]
_WHEEL = "Wheel-Version: 1.0\nGenerator: outlast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@lru_cache(maxsize=1)
def own_build() -> tuple[str, bytes]:
    """The wheel's file name and bytes: the files of this process's Outlast, however it was installed.

    Equal files give equal bytes, whenever and wherever they are packed.
    """
    installed = distribution("outlast")
    about = f"{installed.name}-{installed.version}.dist-info"
    files = {f"{_PACKAGE.name}/{name}": content for name, content in _package().items()}
    files |= {f"{about}/{name}": content for name, content in _metadata(installed).items()}
    files[f"{about}/WHEEL"] = _WHEEL.encode()
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD")
    return f"{installed.name}-{installed.version}-py3-none-any.whl", _zipped(files)


def _package() -> dict[str, bytes]:
    found = (path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(_PACKAGE).as_posix(): path.read_bytes() for path in found}


def _metadata(installed: Distribution) -> dict[str, bytes]:
    said = {name: installed.read_text(name) for name in _KEPT}
    return {name: text.encode() for name, text in said.items() if text is not None}


def _record(files: dict[str, bytes], own: str) -> bytes:
    """What installers check each file against; the record itself has no digest."""
    lines = []
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
