"""Races promotions, approvals and rollbacks of four processes on both databases, and kills each step to the mirror."""

import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from _crashing import crashes
from _racing import race
from _report import conclude, table, where

from outlast.storage.ledger import Outside

ROUNDS, RACERS = 50, 4


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of our own with an empty database."""
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a machine without XDG_RUNTIME_DIR
        import pgserver
    folder = Path(tempfile.mkdtemp(prefix="outlast-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        address = f"postgresql://postgres@/{{}}?host={quote(str(server.get_postmaster_info().socket_dir), safe='')}"
        with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE races")
        yield address.format("races")
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def main() -> int:
    rows, held = [], True
    with tempfile.TemporaryDirectory() as folder, postgresql() as team:
        for name, url in (("SQLite", f"sqlite:///{folder}/ledger.db"), ("PostgreSQL", team)):
            begin = time.monotonic()
            found = race(url, Outside(Path(folder) / f"{name}.jsonl"), rounds=ROUNDS, racers=RACERS)
            held &= found.held
            one = sum(count == 1 for count in found.winners)
            rows.append((f"{name}: rounds with one winner", f"{one} of {ROUNDS}"))
            rows.append((f"{name}: transitions, approvals and rejections kept", f"{found.steps}, {found.said}"))
            rows.append((f"{name}: history and trail", found.broken or "consistent, unbroken"))
            rows.append((f"{name}: seconds", f"{time.monotonic() - begin:.0f}"))
    kills, wrong = crashes()
    for one in wrong:
        print(one)
    rows.append((f"killed at {kills} steps between bundle, ledger and mirror: next start not whole", str(len(wrong))))
    return conclude(
        "races",
        found=table((f"{RACERS} processes that decide on the same state at once, {ROUNDS} rounds", "found"), rows),
        bar="one winner each round, a consistent history, an unbroken chain; whole after every kill.",
        held=held and not wrong,
        machine=where("sqlalchemy", "psycopg"),
    )


if __name__ == "__main__":
    sys.exit(main())
