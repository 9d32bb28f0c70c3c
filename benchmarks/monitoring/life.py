"""Experiments 2 and 3: how often nothing is called something where hours hang together, made up and real."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from _many import Many
from _said import Result, binomial_interval
from _worlds import INNER, OUTER, YEAR, names
from cost import peers
from scipy.special import expit, logit, ndtr

from outlast.data.profile import ABOVE, BELOW, CELLS, MISSING, build, cells, score_cells
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.rehearsal import Rehearsal, rehearsed
from outlast.monitoring.detecting.tables import HOUR, Table

PAST, STREAMS, ROWS = 26 * 168, 12, 200
WINDOWS = 100
SCORES = logit(0.02 + 0.6 * (np.arange(16) / 15) ** 2)


class Life:
    """A year and a half by the hour: numbers and words that follow the week, shocks that last, and holidays."""

    def __init__(self, seed: int, streams: int = STREAMS) -> None:
        self.rng = np.random.default_rng([2, seed])
        effect = self.rng.uniform(1, 5, size=streams + 2)
        self.shock = np.sqrt((effect - 1) / ROWS)
        self.daily = np.where(np.arange(streams + 2) % 2, 0.0, 0.3) * self.rng.random(streams + 2)
        self.number = np.arange(streams) % 2 == 0
        self.missing = np.where(np.arange(streams) % 3, 0.0, 0.01)
        self.streams = streams

    def moves(self, hours: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of each hour, and by how much each stream stands off, [hour, stream], in its own spread."""
        at, level = np.arange(hours), np.zeros((hours, self.streams + 2))
        noise = self.rng.normal(size=level.shape) * np.sqrt(1 - 0.81)
        for hour in range(1, hours):
            level[hour] = 0.9 * level[hour - 1] + noise[hour]
        day = np.sin(2 * np.pi * at / 24)[:, None]
        weekend = (at // 24 % 7 >= 5)[:, None]
        holidays = np.isin(at // 24, self.rng.choice(hours // 24, size=hours // 24 * 10 // 365, replace=False))[:, None]
        off = self.shock * level + self.daily * (day + 0.5 * weekend) + 0.3 * holidays * (self.daily > 0)
        rows = self.rng.poisson(ROWS * (1 + 0.5 * day[:, 0]) * np.where(holidays[:, 0], 1.2, 1.0))
        return rows, off

    def counts(self, rows: np.ndarray, off: np.ndarray) -> dict[str, np.ndarray]:
        """What is counted: features, scores, outcomes by score, and errors."""
        shares = self._shares(off[:, : self.streams])
        features = self.rng.multinomial(rows[:, None], shares)
        lean = np.exp(off[:, -2:-1] * np.linspace(-1.7, 1.7, 16))
        scores = np.zeros((len(rows), CELLS), np.int64)
        scores[:, :16] = self.rng.multinomial(rows, lean / lean.sum(axis=1, keepdims=True))
        yes = np.zeros_like(scores)
        yes[:, :16] = self.rng.binomial(scores[:, :16], expit(SCORES + off[:, -1:]))
        wrong = np.where(np.arange(CELLS) >= 14, scores - yes, yes).sum(axis=1)
        outcomes = np.stack([scores - yes, yes], axis=-1)
        return {"features": features, "scores": scores[:, None], "calibration": outcomes[:, None],
                "loss": np.stack([rows, 1000 * wrong], axis=-1)[:, None]}  # fmt: skip

    def rows_of(self, rows: int, off: np.ndarray) -> pl.DataFrame:
        """Raw rows of one hour, for a peer."""
        columns = {}
        for place in range(self.streams):
            if self.number[place]:
                columns[f"f{place}"] = self.rng.normal(off[place], 1.0, size=rows)
            else:
                share = _words(off[None, place : place + 1], 2 + place % 15)[0, 0]
                columns[f"f{place}"] = self.rng.choice([f"word{k}" for k in range(len(share))], size=rows, p=share)
        return pl.DataFrame(columns)

    def _shares(self, off: np.ndarray) -> np.ndarray:
        shares = np.zeros((*off.shape, CELLS))
        edges = np.array([OUTER[0], *INNER, OUTER[1]])
        inside = ndtr(edges - off[..., None])
        shares[..., :16] = np.diff(inside, axis=-1)
        shares[..., BELOW], shares[..., ABOVE] = inside[..., 0], 1 - inside[..., -1]
        for place in np.flatnonzero(~self.number):
            words = 2 + place % 15
            shares[:, place] = 0
            shares[:, place, :words] = _words(off[:, place : place + 1], words)[:, 0]
        shares *= (1 - self.missing)[:, None]
        shares[..., MISSING] = self.missing
        return shares / shares.sum(axis=-1, keepdims=True)


def _words(off: np.ndarray, words: int) -> np.ndarray:
    """Zipf, the first word more or less likely."""
    share = np.broadcast_to(1 / np.arange(1, words + 1), (*off.shape, words)).copy()
    share[..., 0] *= np.exp(2 * off)
    return share / share.sum(axis=-1, keepdims=True)


def tables_of(past: dict[str, np.ndarray], kinds: tuple[str, ...]) -> dict[str, Table]:
    """The past as a reference."""
    starts = np.arange(len(past["loss"]), dtype=np.int64) * HOUR
    of_kind = {"features": kinds, "course": kinds, "scores": ("number",)}
    return {
        name: Table(names(counts.shape[1]) if name in ("features", "course") else (name,), counts.sum(axis=0), counts,
                    starts, of_kind.get(name, ()))
        for name, counts in {**past, "course": past["features"]}.items()
    }  # fmt: skip


def watched(rehearsal: Rehearsal, live: dict[str, np.ndarray], first: int) -> dict[str, list[str]]:
    """The stream of each alarm of each bank through the hours after the past."""
    found: dict[str, list[str]] = {}
    for bank in rehearsal.plan.banks:
        many, found[bank.severity] = Many(bank, 1), []
        for hour in range(len(live["loss"])):
            counts = {name: table[hour : hour + 1] for name, table in live.items()}
            counts["course"] = counts["features"]
            found[bank.severity] += [who[0] for _, who in many.step(counts, (first + hour) * HOUR)]
    return found


def lived(
    seed: int, *, hours: int = YEAR, past: int = PAST, histories: int = 200
) -> tuple[dict[str, list[str]], Rehearsal]:
    """A year of watching after half a year of past, rehearsed."""
    life = Life(seed)
    rows, off = life.moves(past + hours)
    counts = life.counts(rows, off)
    kinds = tuple("number" if number else "category" for number in life.number)
    tables = tables_of({name: table[:past] for name, table in counts.items()}, kinds)
    rehearsal = rehearsed(planned(tables, Budget()), tables, seed=seed, histories=histories)
    return watched(rehearsal, {name: table[past:] for name, table in counts.items()}, past), rehearsal


def experiment_2(quick: bool) -> list[Result]:
    years = 2 if quick else 20
    found = [lived(seed, hours=1000 if quick else YEAR, histories=40 if quick else 200) for seed in range(years)]
    pages, tickets = (np.array([len(alarms[name]) for alarms, _ in found]) for name in ("page", "ticket"))
    kept = int((pages <= 1).sum())
    low, high = binomial_interval(kept, years)
    said = sorted({rehearsal.sentence for _, rehearsal in found})
    results = [
        Result(2, "season, shocks, holidays; rehearsed: years with at most one false page",
               f"{kept} of {years} ({low:.0%}–{high:.0%}); {int(pages.sum())} pages in all", "95 % of the years",
               kept >= 0.95 * years, {"pages": [alarms["page"] for alarms, _ in found], "sentences": said}),
        Result(2, "the same: false tickets a year", f"{tickets.mean():.2f}, at most {tickets.max()}", "told", None,
               {"tickets": tickets.tolist()}),
    ]  # fmt: skip
    windows = 10 if quick else WINDOWS
    for peer, flags in flagged(windows).items():
        share = sum(flags) / (windows * STREAMS)
        results.append(
            Result(2, f"{peer} on {windows} hours of these: columns flagged; in a year of {STREAMS} columns",
                   f"{share:.1%}; {share * STREAMS * YEAR:,.0f}", "told", None, {"flags": flags})
        )  # fmt: skip
    return results


def flagged(windows: int) -> dict[str, list[int]]:
    """What the peers flag in hours in which nothing but life goes on."""
    life = Life(0)
    _, off = life.moves(PAST + YEAR)
    rng = np.random.default_rng(21)
    reference = pl.concat([life.rows_of(ROWS, off[hour]) for hour in rng.choice(PAST, size=50, replace=False)])
    hours = np.sort(PAST + rng.choice(YEAR, size=windows, replace=False))
    parts = [life.rows_of(ROWS, off[hour]).with_columns(window=pl.lit(n)) for n, hour in enumerate(hours)]
    return {peer: found["flags"] for peer, found in peers(reference, pl.concat(parts)).items()}


def flights() -> pl.DataFrame:
    """Departures of 2013 by week and hour, with what is known before them, and whether they landed late."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "flights"))
    from prepare import read_package

    raw = read_package()
    weather = raw.weather.select("origin", "time_hour", "temp", "wind_speed", "visib", "precip", "pressure")
    planes = raw.planes.select("tailnum", "seats", built="year")
    joined = raw.flights.join(weather, on=["origin", "time_hour"], how="left").join(planes, on="tailnum", how="left")
    moment = pl.datetime("year", "month", "day", "hour")
    number = ((moment - pl.datetime(2013, 1, 1)).dt.total_seconds() // HOUR).alias("number")
    return (
        joined.filter(pl.col("arr_delay").is_not_null())
        .with_columns(number, late=pl.col("arr_delay") > 15)
        .filter(pl.col("number") < 52 * 168)
    )


WATCHED = ("carrier", "origin", "dest", "distance", "hour", "temp", "wind_speed", "visib", "precip", "pressure",
           "seats", "built")  # fmt: skip
MODELLED = ("distance", "hour", "temp", "wind_speed", "visib", "precip", "pressure", "seats", "built")


def flight_counts(trees: int = 100) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """[hour of the year, ..] of the flights, scored by a model of a fifth of them that is then left out."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    table, rng = flights(), np.random.default_rng(3)
    x = table.select(pl.col(MODELLED).cast(pl.Float64)).to_numpy()
    y, mine = table["late"].to_numpy(), rng.random(table.height) < 0.2
    model = HistGradientBoostingClassifier(max_iter=trees, random_state=0).fit(x[mine], y[mine])
    table, y, scores = table.filter(~pl.Series(mine)), y[~mine], model.predict_proba(x[~mine])[:, 1]
    features = table.select(WATCHED)
    profile = build(features, scores, threshold=0.3)
    number = table["number"].to_numpy()
    place = cells(profile, features).astype(np.int64)
    score, wrong = score_cells(profile, scores).astype(np.int64), (scores >= 0.3) != y
    hours = 52 * 168
    codes = (number[:, None] * len(WATCHED) + np.arange(len(WATCHED))) * CELLS + place
    counted = np.bincount(codes.ravel(), minlength=hours * len(WATCHED) * CELLS).reshape(hours, len(WATCHED), CELLS)
    outcomes = np.bincount((number * CELLS + score) * 2 + y, minlength=hours * CELLS * 2).reshape(hours, 1, CELLS, 2)
    rows, lost = np.bincount(number, minlength=hours), np.bincount(number, 1000 * wrong, hours).astype(np.int64)
    counts = {"features": counted, "scores": outcomes.sum(axis=-1), "calibration": outcomes,
              "loss": np.stack([rows, lost], axis=-1)[:, None]}  # fmt: skip
    return counts, tuple(bins.kind for bins in profile.features)


def shuffled(
    counts: dict[str, np.ndarray], kinds: tuple[str, ...], seed: int, histories: int = 200
) -> tuple[dict[str, list[str]], Rehearsal]:
    """Weeks in another order: half are the past, half are watched."""
    order = np.random.default_rng([3, seed]).permutation(52)
    hours = (order[:, None] * 168 + np.arange(168)).ravel()
    mixed_up = {name: table[hours] for name, table in counts.items()}
    tables = tables_of({name: table[:PAST] for name, table in mixed_up.items()}, kinds)
    rehearsal = rehearsed(planned(tables, Budget()), tables, seed=seed, histories=histories)
    return watched(rehearsal, {name: table[PAST:] for name, table in mixed_up.items()}, PAST), rehearsal


def experiment_3(quick: bool) -> list[Result]:
    counts, kinds = flight_counts()
    runs = 3 if quick else 20
    found = [shuffled(counts, kinds, seed, 40 if quick else 200) for seed in range(runs)]
    pages, tickets = (np.array([len(alarms[name]) for alarms, _ in found]) for name in ("page", "ticket"))
    paged = int((pages > 0).sum())
    low, high = binomial_interval(paged, runs)
    figures = {"pages": [alarms["page"] for alarms, _ in found], "sentences": [each.sentence for _, each in found]}
    return [
        Result(3, "flights of 2013, weeks shuffled, 26 watched: shuffles with a page",
               f"{paged} of {runs} ({low:.0%}–{high:.0%})", "at most 3 of 20", paged <= 3,
               figures),
        Result(3, "the same: tickets in each half year", f"{tickets.mean():.2f}, at most {tickets.max()}", "told", None,
               {"tickets": tickets.tolist()}),
    ]  # fmt: skip
