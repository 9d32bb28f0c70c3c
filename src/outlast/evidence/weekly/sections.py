"""The sections of the weekly page, in the order in which a team asks."""

from textwrap import shorten

from outlast.evidence.card.parts import Grid, Say, Section, facts, grid, text
from outlast.evidence.weekly.week import Week
from outlast.monitoring.figures import Figure
from outlast.types import counted

MOVED, LINES, LETTERS = 5, 8, 160


def lead(week: Week) -> str:
    """The week in a sentence or two."""
    troubles = "No incident was open"
    if week.open:
        troubles = f"{counted(week.open, 'incident')} {'was' if week.open == 1 else 'were'} open"
    if not week.answers:
        return f"{week.model} answered nothing this week. {troubles} at its end."
    money = week.money
    gain = "what that was worth is not known yet"
    if money.gain.value is not None:
        gain = f"and gained {between(money.gain)} {money.currency} above the baseline, {money.says}"
    return f"{week.model} answered {counted(week.answers, 'question')} {gain}. {troubles} at its end."


def next_(week: Week) -> Section:
    """What to do, the most pressing first."""
    steps = [*_about_incidents(week), *_about_the_model(week)]
    rows = [(step, command) for step, command in steps]
    return Section("What to do next", (grid(("what", "how"), rows, empty=_nothing(week)),))


def _nothing(week: Week) -> str:
    """That nothing is to be done; where few labels of answers came, or none is due yet, something is."""
    said = "labels come" if week.answers else "no answer was given"
    return f"Nothing: no incident of the week is open, and {said}."


def worth(week: Week) -> Section:
    """Money day by day."""
    money = week.money
    rows = [
        (f"{day.day:%a %d %b}", day.answers, day.priced, _span(day.gain, day.low, day.high), _round(day.promised))
        for day in money.days
        if day.answers
    ]
    parts: list[Say | Grid] = [
        grid(
            ("day", "answers", "priced", f"gain, {money.currency}", "promised"), rows,
            empty="Nothing was counted this week: outlast tick counts what was served.",
        )
    ]  # fmt: skip
    if money.gain.value is not None:
        a_decision = f"A decision gained {between(money.gain_per_decision)}"
        promised = f"; {between(money.promise_per_decision)} was promised" if money.promise_per_decision.n else ""
        parts.append(Say(f"{a_decision}{promised}: {money.says}. Days grow while labels come."))
    elif rows:
        parts.append(Say(f"No money yet: {money.gain.reason}.", True))
    return Section("What it was worth", tuple(parts), ("money",))


def live(week: Week) -> Section:
    """What answered."""
    roll = week.rollout
    state = "nothing" if roll.live is None else f"{week.model}@{roll.live}"
    rungs = ", ".join(f"{count:,} {rung}" for rung, count in week.rungs.items())
    rows = [(one.at, one.action, one.from_version, one.to_version, one.by, one.reason) for one in week.changes]
    told = facts(
        ("Live at the week's end", state),
        ("Beside it", roll.challenger and f"{week.model}@{roll.challenger}"),
        ("Answers", week.answers),
        ("By version", _versions(week)),
        ("By rung", rungs),
        ("With warnings", week.warned if week.answers else None),
    )
    changes = grid(("at", "what", "from", "to", "by", "why"), rows, empty="What is live did not change.")
    loop = [(one.at, one.what, one.trigger, one.version, one.sentence) for one in week.loop[-LINES:]]
    parts = (told, changes, *([grid(("at", "the loop", "because of", "version", ""), loop, empty="")] if loop else []))
    return Section("What was live", parts)


def _versions(week: Week) -> str:
    return ", ".join(f"{count:,} {week.model}@{number}" for number, count in week.by_version.items())


def quality(week: Week) -> Section:
    """How good the answers were, and how much of that is known."""
    found, metric = week.found, week.metric
    if found is None:
        return Section("How good it was", (Say(f"{week.version} answered nothing this week.", True),))
    expected = week.subject.summary.get("metrics", {}).get(metric)
    before = None if week.before is None else between(week.before.metrics[metric])
    said = None if expected is None else between(Figure(expected["value"], 0, expected["low"], expected["high"]))
    return Section(
        "How good it was",
        (
            facts(
                ("Version", f"{week.version}, which answered most" if len(week.by_version) > 1 else None),
                (metric, between(found.metrics[metric])),
                ("The week before", before),
                ("In the evaluation", said),
                ("Labels", f"{between(found.coverage, percent=True)} of those due; {found.early:,} came early"),
                ("Taken for no", found.assumed or None),
                ("Strays", week.labels.sentence if week.labels else None),
            ),
        ),
        ("quality",),
    )


def moved(week: Week) -> Section:
    """What is not as it was in training."""
    found = week.found.columns if week.found else ()
    most = sorted((one for one in found if one.moved.value is not None), key=lambda one: -(one.moved.value or 0.0))
    rows = [
        (one.column, one.moved.value, one.psi.value, *(_share(one.rates.get(name)) for name in ("missing", "unseen")))
        for one in most[:MOVED]
    ]
    return Section(
        "What moved most since training",
        (grid(("column", "moved", "PSI", "missing", "unseen"), rows, empty="Too few rows to say."),),
    )


def slices(week: Week) -> Section:
    """What the contract wants looked at by itself."""
    metric = week.metric
    rows = [
        (one.slice, one.rows, _share(one.coverage), between(one.metric), between(one.gain))
        for one in week.slices[:LINES]
    ]
    headers = ("slice", "answers", "labelled", metric, f"gain a decision, {week.money.currency}")
    more = len(week.slices) - LINES
    said = (Say(f"{counted(more, 'slice')} more: outlast monitor {week.model} --json", True),) if more > 0 else ()
    return Section("Declared slices, what gains least first", (grid(headers, rows, empty=""), *said))


def incidents(week: Week) -> Section:
    """What went wrong, and what became of it."""
    rows = [
        (one.id, one.severity, one.cause, one.since, _cost(week, index), one.state, one.owner or "nobody",
         shorten(f"{line.action}: {line.sentence}", LETTERS, placeholder=" …"))
        for index, (one, line) in enumerate(week.incidents)
    ]  # fmt: skip
    headers = ("id", "severity", "what", "since", "cost a day", "now", "owner", "the last thing that happened")
    return Section("Incidents", (grid(headers, rows, empty="None was open this week."),))


def adoption(week: Week) -> Section:
    """What people did with the answers."""
    rows = [
        (one.name or "all", one.followed, one.overridden, one.ignored, between(one.rate, percent=True),
         between(one.gain_followed), between(one.gain_overridden))
        for one in week.adoption.groups[:LINES]
    ]  # fmt: skip
    headers = ("who", "followed", "overridden", "ignored", "rate", "gain where followed", "gain where overridden")
    says = week.adoption.says.replace("`", "")
    empty = f"{says[0].upper()}{says[1:]}."
    return Section("What people did with the answers", (grid(headers, rows, empty=empty),))


def between(figure: Figure, *, percent: bool = False) -> str:
    """A figure with its interval, or why there is none."""
    if figure.value is None:
        return f"not known: {figure.reason}"
    spell = _percent if percent else text
    if figure.low is None or figure.high is None:
        return spell(float(figure.value))
    return f"{spell(float(figure.value))} ({spell(float(figure.low))} to {spell(float(figure.high))})"


def _about_incidents(week: Week) -> list[tuple[str, str]]:
    steps = []
    for one, _ in week.incidents:
        if not one.live:
            continue
        if one.calm_since is not None:
            steps.append((f"Nothing was found of {one.cause} since {text(one.calm_since)}: close it if that is right",
                          f"outlast resolve {one.id}"))  # fmt: skip
        elif one.benign:
            steps.append((f"{one.cause} costs next to nothing: accept it as normal", f"outlast accept {one.id}"))
        elif one.state == "open":
            steps.insert(0, (f"Nobody looks at {one.cause} ({one.severity})", f"outlast incident {one.id}"))
        elif one.proposed is not None:
            steps.append((f"{one.cause}: {one.proposed} is proposed", f"outlast incident {one.id}"))
    return steps


def _about_the_model(week: Week) -> list[tuple[str, str]]:
    contract, found, steps = week.subject.contract, week.found, list[tuple[str, str]]()
    if week.live is None:
        steps.append(("Nothing is live", f"outlast promote {week.version}"))
    if not contract.model.owner:
        steps.append(
            ("The model has no owner, so nobody is told first", "[model] owner in outlast.toml, outlast apply")
        )
    if found is not None and found.coverage.value is not None and found.coverage.value < 0.5:
        steps.append(
            (f"Only {found.coverage.value:.0%} of the labels that are due are here", f"outlast label {week.model} FILE")
        )
    if found is not None and week.money.gain.value is None and not found.coverage.n:
        steps.append(("No prediction of the week is matured yet", f"outlast weekly {week.model}, in some days"))
    if week.waiting:
        steps.append((f"{counted(len(week.waiting), 'message')} could not be delivered", "outlast doctor"))
    return steps


def _cost(week: Week, index: int) -> str | None:
    one = week.incidents[index][0]
    return None if one.cost is None else f"{_span(one.cost.per_day, one.cost.low, one.cost.high)} {one.currency}"


def _share(figure: Figure | None) -> str | None:
    return None if figure is None or figure.value is None else f"{figure.value:.1%}"


def _span(value: float, low: float | None, high: float | None) -> str:
    return between(Figure(value, 0, low, high))


def _round(value: float | None) -> str | None:
    return None if value is None else text(float(value))


def _percent(value: float) -> str:
    return f"{value:.1%}"
