"""Ticks beside a server: what its log says of each."""

import io
import json
import logging
import threading
from pathlib import Path

import pytest

from outlast.cli import ticking


def test_a_tick_that_did_something_is_a_line_of_the_log(run, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("promote")
    rows = (folder / "data" / "orders.csv").read_text().splitlines()
    (folder / "asked.csv").write_text("\n".join([rows[0], *rows[-6:]]) + "\n")
    run("score", "late-orders", "asked.csv", "answers.csv", "--record")
    with caplog.at_level(logging.INFO, "outlast.tick"):
        ticking._tick(folder, threading.Event())
    (line,) = [one.getMessage() for one in caplog.records if one.name == "outlast.tick"]
    assert line.startswith("tick: ")
    assert "skew late-orders: " in line


def test_a_line_names_the_jobs_that_did_something_or_failed() -> None:
    jobs = [("seal", None, True, False), ("watch", "shop", False, False), ("skew", "shop", True, True)]
    told = [dict(zip(("job", "model", "did", "failed"), one, strict=True)) | {"sentence": "said"} for one in jobs]
    out = io.BytesIO(json.dumps(told).encode())
    assert ticking._said(out, "did") == "seal: said; skew shop: said"
    assert ticking._said(out, "failed") == "skew shop: said"
    assert ticking._said(io.BytesIO(b"["), "failed") == "it ended before its jobs; the line above says why"
    assert not ticking._said(io.BytesIO(b"[]"), "did")
