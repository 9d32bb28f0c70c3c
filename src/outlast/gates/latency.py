"""Whether a version keeps its promise to callers: a real server, asked at the contract's rate, timed from when due.

Of a hundred answers one may be late, and of any hundred two may be by luck: a promise is broken where more were late
than luck explains (one in twenty times, by the binomial), and that again when it was asked a second time.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from outlast.bundle.replay import Row, replayable
from outlast.engines import size_of
from outlast.gates.alone import Alone, alone
from outlast.gates.case import Case
from outlast.gates.load import Timed, load, warm
from outlast.gates.skew import live_alone
from outlast.gates.verdict import PER_1000, Check
from outlast.types import duration

_BUSY = 0.8
"""The share of the time from which on it is the asking that is slow."""
_WAITED = 0.5
"""The share of all answering in which the server wanted a processor and had none, from which on the machine is slow."""
_LUCK = 0.05


def fast_enough(case: Case, *, now: datetime) -> Check:
    """Whether p99 and memory hold at the contract's rate; asked a second time where the first missed."""
    serving = case.contract.serving
    if serving.p99 is None or serving.rate is None:
        says = "the contract does not say serving.p99 and serving.rate: say them, and train again"
        return Check("latency", None, says)
    limit = duration(serving.p99).total_seconds()
    with live_alone(case.workspace, case.candidate, now) as (place, predictor):
        golden = [row["request"] for row in replayable(predictor) or predictor.golden]
        predictor.close()
        with alone(place) as server:
            warm(server.address, _path(case), golden)
            server.count()
            runs = [_run(case, server, golden, limit)]
            if not _held(runs[0]):
                runs.append(_run(case, server, golden, limit))
    return _concluded(runs, server, case)


def _run(case: Case, server: Alone, golden: list[Row], limit: float) -> Timed:
    rate = case.contract.serving.rate or 1.0
    return load(server.address, _path(case), golden, rate, within=limit, seed=case.candidate.number)


def _path(case: Case) -> str:
    return f"/predict/{case.candidate.model}"


def _held(run: Timed) -> bool:
    """Whether every request was answered, and no more answers were late than luck explains."""
    from scipy.special import bdtrc

    return run.failed == 0 and (run.slow == 0 or float(bdtrc(run.slow - 1, run.requests, 0.01)) >= _LUCK)


def _concluded(runs: list[Timed], server: Alone, case: Case) -> Check:
    serving, last = case.contract.serving, runs[-1]
    figures = " and again ".join(f"p99 {in_words(run.p99)}, {run.slow} of {run.requests} late" for run in runs)
    says = f"{figures}, at {serving.rate:g} a second; {serving.p99} is promised"
    evidence: dict[str, Any] = {"runs": [asdict(run) for run in runs], "memory": server.memory}
    evidence |= {"waited": server.waited, PER_1000: _per_1000(runs, server)}
    if last.failed:
        return Check("latency", False, f"{last.failed} of {last.requests} requests were not answered; {says}", evidence)
    (told, fits), held = _memory(server, serving.memory), _held(last)
    if not held:
        why = _elsewhere(runs, server)
        if why is not None:
            return Check("latency", None, f"{says}, but {why}: judge it where nothing else runs", evidence)
        says = f"{says}: make the model or its lookups quicker, or promise less"
    return Check("latency", fits if held else False, f"{says}; {told}", evidence)


def _per_1000(runs: list[Timed], server: Alone) -> float | None:
    """CPU seconds of the whole server for 1,000 answers at this rate."""
    answered = sum(run.requests - run.failed + run.first for run in runs)
    return None if server.ran is None or not answered else server.ran / answered * 1000


def in_words(milliseconds: float) -> str:
    """How long something took, as people read it."""
    return f"{milliseconds / 1000:.3g} s" if milliseconds >= 1000 else f"{milliseconds:.3g} ms"


def _elsewhere(runs: list[Timed], server: Alone) -> str | None:
    """What was slow, where it was not the version."""
    if runs[-1].busy > _BUSY:
        return "this process could not ask as often"
    waited, answering = server.waited or 0.0, sum(run.seconds for run in runs)
    if waited > _WAITED * answering:
        return f"the server had no processor for {waited:.1f} of the {answering:.1f} s that answers took"
    return None


def _memory(server: Alone, allowed: str | None) -> tuple[str, bool | None]:
    """What is said of memory, and whether it is within what the contract allows; None where it is not known."""
    if server.memory is None:
        return "its memory could not be read", True if allowed is None else None
    taken = f"{server.memory / 1e6:,.0f} MB of memory"
    if allowed is None:
        return taken, True
    within = server.memory <= size_of(allowed)
    return f"{taken}, {allowed} {'is' if within else 'is all that is'} allowed", within
