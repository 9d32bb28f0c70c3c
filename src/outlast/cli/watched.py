"""What `outlast monitor` says, the windows, what moved, who was told; and what `outlast feeds` does."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from outlast.cli import screen
from outlast.monitoring.feeds.watching import Feed
from outlast.monitoring.figures import Figure, Figures
from outlast.monitoring.report import Line, Report
from outlast.monitoring.skew import Audit, Column
from outlast.monitoring.telling.alerts import NOBODY
from outlast.types import counted, span, utc

NOTHING = "No answer was given in full, its features kept, that could be computed again"
MOST, ALERTS = 5, 3
"""Columns, slices and alerts shown; `--json` has every one."""


def watched(found: Report, last: int) -> None:
    """A report, for people."""
    print(f"{found.model}@{found.version}, in windows of {found.cadence}")
    if found.scoring is not None:
        screen.line("scoring", found.scoring)
    if found.total is None:
        print("Nothing was counted yet: `outlast tick` counts what was served")
        return
    print()
    _windows([line for line in found.lines if line.rows], found, last)
    print("\nAll of them together")
    _together(found, found.total)
    _alerts(found)


def _expected(found: Report) -> None:
    """What is expected of answers whose labels are not here."""
    now = found.expected_now
    if now is None:
        return
    if now.reason is not None:
        screen.line("expected", f"not estimable: {now.reason}")
        return
    unit = {"cost": f" {found.currency} lost a decision", "value": f" {found.currency} a decision"}
    shown = [name for name in (found.metric, "value", "cost", "loss") if name in now.figures][:2]
    words = [f"{name} {screen.interval(now.figures[name])}{unit.get(name, '')}" for name in shown]
    screen.line("expected", f"{', '.join(words)}: of {now.rows:,} answers since {now.since:%Y-%m-%d}, before labels")


def recomputed(found: Audit) -> None:
    """An audit, for people."""
    print(
        f"{found.model}: {found.looked_at:,} of {found.served:,} answers computed again, {found.differ:,} values differ"
    )
    wrong = [one for one in found.columns if one.differ]
    screen.table(
        ("feature", "version", "looked at", "differ", "late facts", "other code", "for example"),
        [
            (one.column, one.version, f"{one.rows:,}", f"{one.rate:.2%}", one.late, one.other_code, _example(one))
            for one in wrong
        ],
        empty="Nothing was served that facts known at the time do not give again" if found.looked_at else NOTHING,
    )
    if unsaid := sum(one.unexplained for one in wrong):
        print(f"Of {unsaid:,} values the reason was not looked for, in too many facts: ask with --since and --until")
    for unread in found.unread:
        print(f"{counted(unread.answers, 'answer')} of version {unread.version} not computed again: {unread.sentence}")


def fed(found: Sequence[Feed], now: datetime) -> None:
    """Sources, for people."""
    screen.table(
        ("source", "newest (UTC)", "age", "may be", "yesterday", "usual"),
        [
            (
                one.source,
                "—" if one.newest is None else f"{one.newest:%Y-%m-%d %H:%M}",
                "—" if one.newest is None else _minutes(utc(now) - one.newest),
                "—" if one.limit is None else _minutes(one.limit) + ("" if one.declared else ", learnt"),
                f"{one.yesterday:,}",
                "—" if one.usual is None else f"{one.usual:,.0f}",
            )
            for one in found
        ],
        empty="Every source of this model was declared by another, which watches it",
    )
    for sentence in (sentence for one in found for sentence in one.findings):
        print(sentence)
    if any(one.looked_at is None for one in found):
        print("Nothing was looked at yet: `outlast tick` looks")


def _minutes(length: timedelta) -> str:
    return span(max(length, timedelta(0)) // timedelta(minutes=1) * timedelta(minutes=1))


def _example(column: Column) -> str:
    reason = next(name for name in ("other code", "late", "unexplained") if name in column.examples)
    example = column.examples[reason]
    return f"{example['prediction_id']}: served {example['served']}, computed {example['computed']}"


def _windows(lines: list[Line], found: Report, last: int) -> None:
    headers = ("from (UTC)", "predictions", "labelled", found.metric, found.currency, "findings")
    rows = [
        (
            f"{one.starts_at:%Y-%m-%d %H:%M}",
            f"{one.rows:,}",
            "—" if one.coverage.value is None else f"{one.coverage.value:.0%}",
            screen.number(one.metric.value),
            screen.number(one.value.value),
            len(one.findings) or "",
        )
        for one in lines[-last:]
    ]
    screen.table(headers, rows, empty="No window has a prediction")
    if len(lines) > last:
        print(f"… and {len(lines) - last:,} before these: --last {len(lines)}")


def _together(found: Report, total: Figures) -> None:
    expected = "" if found.expected is None else f"; in training {screen.interval(found.expected)}"
    screen.line("answers", f"{total.rows:,}, {total.warned:,} with warnings; {_counted(total.rungs)}")
    screen.line("decisions", _counted(total.decisions))
    screen.line("labels", f"{_percent(total.coverage)} of those due; {total.early:,} came early")
    if total.bias.value is not None:
        screen.line("", f"their scores are {_said(total.bias)} higher than those of answers without one")
    if found.strays is not None and found.strays.sentence:
        screen.line("strays", f"of {found.strays.labels:,} labels, {found.strays.sentence}")
    screen.line(found.metric, _said(total.metrics[found.metric]) + expected)
    screen.line("value", f"{_said(total.value)} {found.currency}".rstrip())
    screen.line("gain", f"{_said(total.gain_per_decision)} a decision, against the baseline")
    for name, says in (("promise", found.promise), ("adoption", found.adoption)):
        if says is not None:
            screen.line(name, says)
    _expected(found)
    if found.rehearsal is not None:
        screen.line("watch", found.rehearsal)
    if found.audits:
        screen.line("served features", f" {found.audits[-1].sentence(found.model)}")
    _slices(found)
    moved = [one for one in total.columns if one.moved.value is not None]
    if not moved:
        return
    print("\nWhat moved most since training")
    screen.table(
        ("column", "moved", "PSI", "missing", "unseen"),
        [
            (
                one.column,
                screen.number(one.moved.value, 3),
                screen.number(one.psi.value, 3),
                *(_percent(one.rates[name]) if name in one.rates else "" for name in ("missing", "unseen")),
            )
            for one in sorted(moved, key=lambda one: -(one.moved.value or 0.0))[:MOST]
        ],
        empty="",
    )


def _slices(found: Report) -> None:
    if not found.slices:
        return
    print("\nDeclared slices, what gains least first")
    screen.table(
        ("slice", "predictions", "labelled", found.metric, "gain a decision"),
        [
            (
                one.slice,
                f"{one.rows:,}",
                "—" if one.coverage.value is None else f"{one.coverage.value:.0%}",
                screen.number(one.metric.value),
                _said(one.gain) if one.gain.value is not None else "—",
            )
            for one in found.slices[:MOST]
        ],
        empty="",
    )
    if len(found.slices) > MOST:
        print(f"… and {counted(len(found.slices) - MOST, 'slice')} more: --json")


def _alerts(found: Report) -> None:
    """What was said, each once, with every route it was said on."""
    events: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for alert in sorted(found.alerts, key=lambda one: str(one["from"])):
        events.setdefault((alert["kind"], str(alert["at"]), alert["sentence"]), []).append(alert)
    if events:
        print("\nWho was told")
    for told in list(events.values())[-ALERTS:]:
        routes = "; ".join(_became(one) for one in told)
        screen.line(told[0]["severity"], f"{told[0]['sentence']} ({routes})")
    if len(events) > ALERTS:
        print(f"  … and {len(events) - ALERTS:,} before these: --json")


def _became(alert: Mapping[str, Any]) -> str:
    if alert["route"] == NOBODY:
        return "nobody: no route is named"
    if alert["moved"]:
        return f"{alert['route']}: went to {', '.join(alert['moved'])} instead"
    told = "delivered" if alert["delivered_at"] else f"waits, {counted(alert['attempts'], 'attempt')}"
    return f"{alert['route']}: {told}"


def _counted(named: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in named.items()) or "none"


def _percent(figure: Figure) -> str:
    return f"— ({figure.reason})" if figure.value is None else f"{figure.value:.1%}"


def _said(figure: Figure) -> str:
    if figure.value is None:
        return f"— ({figure.reason})"
    if figure.low is None or figure.high is None:
        return screen.number(figure.value)
    return screen.interval({"value": figure.value, "low": figure.low, "high": figure.high})
