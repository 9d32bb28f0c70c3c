"""Tables by path and by URL: the contract suite, and what Delta, disks and other processes do to them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from outlast.errors import StorageError
from outlast.storage.checks.tables import CHECKS, Make
from outlast.storage.tables import Tables


@pytest.mark.parametrize("kind", ["path", "url"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Make], None], kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder, with é"
    check(lambda: Tables(str(folder) if kind == "path" else folder.as_uri()))
