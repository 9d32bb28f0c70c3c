"""Kills `outlast push`, `backfill` and `tick` of a real project, alone and two at once, and asks its history."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from outlast.bundle.predictor import open_bundle
from outlast.features.facts import facts_of
from outlast.features.offline import look_up
from outlast.features.online import entities_of, frame_of, reader
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.journal.sources import sources_of
from outlast.project.workspace import Workspace
from outlast.registry.servable import lookups_of
from outlast.registry.versions import find
from outlast.types import ModelRef, micros

START, STEP = datetime(2025, 6, 3, tzinfo=UTC), timedelta(hours=8)
CARRIERS, WAREHOUSES = ["Nordpost", "Parcelo", "Swift"], ["north", "south"]
TOGETHER = [("push",), ("tick",), ("backfill",), ("push", "tick"), ("push", "backfill"), ("backfill", "tick")]
NOWHERE = {**os.environ, "MLFLOW_TRACKING_URI": "off"}


class Shop:
    """The project that `outlast init` makes, live, with a lookup of the newest fact however old it is."""

    def __init__(self, folder: Path, fresh: str | None) -> None:
        self.folder, self.pushes = folder / "shop", 0
        self._run(folder, "init", "shop")
        model = self.folder / "model.py"
        text = model.read_text("utf-8")
        asked = "features=[latest(backlog"
        assert asked in text
        newest = 'features=[latest(deliveries, last_days="days_late", by="carrier"), latest(backlog'
        model.write_text(text.replace(asked, newest), "utf-8")
        where = "" if fresh is None else f'[storage]\nfresh = "{fresh}"\n'
        (self.folder / "workspace.toml").write_text(f'name = "{folder.name}"\n{where}', "utf-8")
        for command in ("train", "promote"):
            self._run(self.folder, command, "--quiet")
        self.usual = {name: self._timed(name) for name in ("push", "backfill", "tick")}

    def command(self, name: str) -> list[str]:
        """The words of a command; a push takes the next facts."""
        if name != "push":
            return [name]
        self.pushes += 1
        file = self.folder / "pushed.csv"
        arrivals(self.pushes).write_csv(file)
        return ["push", "deliveries", str(file)]

    def _timed(self, name: str) -> float:
        begun = time.perf_counter()
        self._run(self.folder, *self.command(name))
        return time.perf_counter() - begun

    def _run(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "outlast", *words]
        subprocess.run(command, cwd=folder, env=NOWHERE, check=True, stdout=subprocess.DEVNULL)


def arrivals(number: int) -> pl.DataFrame:
    """What comes in one push: new deliveries, and corrections of earlier ones that may name another carrier."""
    chance, rows = random.Random(number), []
    for place in range(100):
        fresh = chance.random() < 0.8 or number == 1
        order = (number if fresh else chance.randrange(1, number)) * 100 + place
        moment = START + number * STEP - timedelta(seconds=chance.randrange(7200 if fresh else 1800))
        rows.append((f"P-{order}", moment, chance.choice(CARRIERS), chance.randrange(-20, 50) / 8))
    return pl.DataFrame(rows, schema=["order_id", "delivered_at", "carrier", "days_late"], orient="row")


def killed(shop: Shop, names: tuple[str, ...], chance: random.Random) -> list[str]:
    """Run commands at once, kill each at a random moment of its usual time; those that were still at it."""
    begun, running = time.perf_counter(), []
    for name in names:
        command = [sys.executable, "-m", "outlast", *shop.command(name)]
        silent = subprocess.DEVNULL
        running.append((name, subprocess.Popen(command, cwd=shop.folder, env=NOWHERE, stdout=silent, stderr=silent)))
    due = sorted((shop.usual[name] * len(names) * chance.uniform(0.4, 1.05), name, one) for name, one in running)
    found = []
    for moment, name, process in due:
        time.sleep(max(0.0, begun + moment - time.perf_counter()))
        early = process.poll() is None
        if early:
            process.kill()
            found.append(name)
        process.wait()
        shop.usual[name] *= 1.05 if early else 0.85  # how long it takes hangs on what else the machine does
    return found


def faults(shop: Shop, *, resend: bool) -> list[str]:
    """What differs from history, after the push that was cut off is sent again, as its sender does."""
    place = Workspace.find(shop.folder)
    at, found = START + shop.pushes * STEP + timedelta(hours=2), []
    if resend:
        with Journal(place) as journal:
            Ingest(place, journal).take("deliveries", arrivals(shop.pushes), at=at)
    version = find(place.ledger, ModelRef("shop"))
    sources = sources_of(place, open_bundle(place, version.digest))
    asks = pl.DataFrame({"carrier": CARRIERS * 2, "warehouse": WAREHOUSES * 3})
    for lookup in lookups_of(place, version.digest):
        history = sources.frame(sources.named(lookup.lookup.source.name))
        read, what = reader(lookup, place.fresh), f"{lookup.lookup.kind} of {lookup.lookup.source.name}"
        online = frame_of(lookup.schema, [read(entity, micros(at)) for entity in entities_of(lookup, asks)])
        if not online.equals(look_up(lookup, history, asks, pl.Series([micros(at)] * asks.height)), null_equal=True):
            found.append(f"{what} differs after {shop.pushes} pushes")
        held, there = place.fresh.count(lookup.digest), facts_of(lookup, history).height
        if held > there:
            found.append(f"{what} holds {held} facts of {there}")
    place.fresh.verify()
    place.fresh.close()
    place.ledger.dispose()
    return found


def crash(folder: Path, fresh: str | None, kills: int) -> tuple[Counter[str], int, list[str]]:
    """How often each command was killed, how many pushes there were, and what was wrong after any of the kills."""
    shop, chance = Shop(folder, fresh), random.Random(kills)
    done: Counter[str] = Counter()
    wrong = faults(shop, resend=False)
    while done.total() < kills:
        names = chance.choice(TOGETHER)
        done.update(killed(shop, names, chance))
        wrong += faults(shop, resend="push" in names)
    return done, shop.pushes, wrong
