"""A load on a server, as callers would bring it: at a rate, whether or not the answers before have come."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outlast.bundle.predictor import Predictor, open_bundle
from outlast.bundle.replay import replayable
from outlast.errors import NotFound, Refused, RequestError
from outlast.gates.alone import alone
from outlast.gates.latency import in_words
from outlast.gates.load import Offered, offer, warm
from outlast.gates.skew import live_alone
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.contracts import contract_of
from outlast.registry.versions import Version
from outlast.types import duration

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_BUSY = 0.8
_WITHIN = 1.0
"""Seconds an answer may take where the contract promises nothing: so many connections are kept."""


@dataclass(frozen=True)
class Asked:
    """What load is wanted: requests a second, for how many seconds, and of which server; None: one made for it."""

    rate: float | None = None
    seconds: float = 30.0
    address: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class LoadTest:
    """What a load found; times are milliseconds from when a request was due to its answer."""

    version: str
    where: str
    rate: float
    requests: int
    seconds: float
    answered: int
    failed: dict[str, int]
    rungs: dict[str, int]
    took: dict[str, float]
    promised: float | None
    late: int
    remarks: list[str]
    memory: int | None
    per_1000: float | None
    lines: list[dict[str, float]]
    """Of each second of the load, its p50 and p99."""

    @property
    def held(self) -> bool:
        """Whether every request was answered, and one of a hundred at most came later than promised."""
        return not self.failed and (self.promised is None or self.late <= 0.01 * self.requests)


def load_test(
    workspace: Workspace, version: Version, asked: Asked, *, now: datetime, told: Callable[[int], object]
) -> LoadTest:
    """Ask a version at the contract's rate, or another, with its own golden requests."""
    contract = contract_of(workspace, version)
    rate = asked.rate or contract.serving.rate
    if rate is None:
        raise RequestError(f"The contract of {version.model} says no [serving] rate: give one with --rate")
    if asked.address is not None:
        golden = open_bundle(workspace, version.digest).json("golden.json")
        bodies = [one["request"] for one in golden]
        _require_there(asked, version, bodies)
        found = _offered(asked.address, version, bodies, rate, asked, contract, told)
        return _concluded(version, asked.address, rate, found, contract, None, None)
    with live_alone(workspace, version, now) as (place, predictor):
        bodies = _requests(predictor)
        predictor.close()
        with alone(place) as server:
            warm(server.address, _path(version), bodies)
            server.count()
            found = _offered(server.address, version, bodies, rate, asked, contract, told)
    every = len(found.taken) + found.first
    per_1000 = None if server.ran is None else server.ran / every * 1000
    return _concluded(version, "a server made for it", rate, found, contract, server.memory, per_1000)


def _requests(predictor: Predictor) -> list[Any]:
    return [row["request"] for row in replayable(predictor) or predictor.golden]


def _path(version: Version) -> str:
    return f"/predict/{version.model}"


def _require_there(asked: Asked, version: Version, bodies: Sequence[Any]) -> None:
    """Refuse a server that does not answer for the model, before thousands of requests say so."""
    assert asked.address is not None
    tried = offer(asked.address, _path(version), bodies[:1], 1.0, 1.0, within=_WITHIN, seed=0, token=asked.token)
    one = tried.taken[0]
    if one.status == 0:
        raise NotFound(f"Nothing answers at {asked.address}: start a server, or correct --url")
    if one.status in (401, 403):
        raise Refused(f"{asked.address} wants a token that may predict: set OUTLAST_TOKEN")
    if one.status != 200:
        raise NotFound(f"{asked.address} answers {one.status} to a request for {version.model}: is it served there?")


def _offered(
    address: str, version: Version, bodies: Sequence[Any], rate: float, asked: Asked, contract: Contract,
    told: Callable[[int], object],
) -> Offered:  # fmt: skip
    within = _WITHIN if contract.serving.p99 is None else duration(contract.serving.p99).total_seconds()
    return offer(address, _path(version), bodies, rate, asked.seconds, within=within, seed=version.number,
                 token=asked.token, told=told)  # fmt: skip


def _concluded(
    version: Version, where: str, rate: float, found: Offered, contract: Contract, memory: int | None,
    per_1000: float | None,
) -> LoadTest:  # fmt: skip
    promised = None if contract.serving.p99 is None else duration(contract.serving.p99).total_seconds() * 1000
    times = np.array(found.answered) * 1000
    took = {name: _quantile(found.answered, share) * 1000 for name, share in SHARES.items() if len(times)}
    if len(times):
        took["max"] = float(times.max())
    failed = _counted(str(one.status or "no answer") for one in found.taken if one.status != 200)
    rungs = _counted(one.rung for one in found.taken if one.rung)
    remarks = _remarks(found, rungs, len(times))
    late = 0 if promised is None else int((times > promised).sum())
    return LoadTest(
        str(version), where, rate, len(found.taken), found.asked, len(times), failed, rungs, took, promised, late,
        remarks, memory, per_1000, _lines(found),
    )  # fmt: skip


def _counted(words: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def _remarks(found: Offered, rungs: dict[str, int], answered: int) -> list[str]:
    said = []
    if found.busy > _BUSY:
        said.append("this process could hardly ask as often: part of the times are its own")
    if (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0) > 2 * (os.cpu_count() or 1):
        said.append("the machine has other work: measure where nothing else runs")
    lower = answered - rungs.get("full", 0)
    if lower:
        said.append(f"{lower:,} answers are of a lower rung than the full model")
    return said


def _lines(found: Offered) -> list[dict[str, float]]:
    by_second: dict[int, list[float]] = {}
    for one in found.taken:
        if one.status == 200:
            by_second.setdefault(int(one.due), []).append(one.seconds * 1000)
    return [
        {"second": float(second), "p50": _quantile(times, 0.5), "p99": _quantile(times, 0.99)}
        for second, times in sorted(by_second.items())
    ]


def _quantile(times: Sequence[float], share: float) -> float:
    return float(np.quantile(times, share, method="higher"))


def drawable(file: Path) -> Literal["svg", "png"]:
    """What kind of picture a file's name asks for; said before the load, since nobody wants to wait for it twice."""
    kind = file.suffix.lower()
    if kind not in (".svg", ".png"):
        raise RequestError(f"'{file.name}' is no picture's name: end it in .svg or .png")
    if not file.absolute().parent.is_dir():
        raise NotFound(f"There is no folder {file.absolute().parent} for {file.name}: make it, or name another")
    return "svg" if kind == ".svg" else "png"


def picture(found: LoadTest, file: Path) -> None:
    """How long answers took, second by second, as SVG or PNG by the file's name."""
    import altair as alt

    from outlast.registry import pictures

    rows = [
        {"second": line["second"], "milliseconds": max(line[name], 0.01), "which": name}
        for line in found.lines
        for name in ("p50", "p99")
    ]
    says = f"{found.requests:,} requests at {found.rate:g} a second, of {found.version}, timed from when they were due"
    lines = alt.Chart(pictures.inline(rows)).mark_line(point=True, strokeWidth=2).encode(
        x=alt.X("second:Q", title="second of the load", axis=alt.Axis(tickMinStep=1, format="d"),
                scale=alt.Scale(domain=[0, max(1.0, *(line["second"] for line in found.lines))])),
        y=alt.Y("milliseconds:Q", title="milliseconds", scale=alt.Scale(type="log")),
        color=alt.Color("which:N", title=None, scale=alt.Scale(range=["#0072B2", "#D55E00"])),
    )  # fmt: skip
    layers: list[Any] = [lines]
    if found.promised is not None:
        rule = alt.Chart(pictures.inline([{"promised": found.promised, "says": "promised p99"}]))
        words = rule.mark_text(align="left", dx=4, dy=-6, color="#767676")
        layers.append(rule.mark_rule(strokeDash=[6, 4], color="#767676").encode(y="promised:Q"))
        layers.append(words.encode(y="promised:Q", x=alt.value(0), text="says:N"))
    titled = pictures.title((f"99 of 100 answers came within {in_words(found.took.get('p99', 0))}", says))
    spec = pictures.whole(alt.layer(*layers).properties(title=titled, height=320))
    file.write_bytes(pictures.drawn(spec, drawable(file)))
