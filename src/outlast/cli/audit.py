"""`outlast audit`: the trail of what was done, whether it is whole, and a copy of it."""

from pathlib import Path
from typing import Any

import typer

from outlast.cli import places, screen
from outlast.errors import StorageError

app = typer.Typer(help="The trail: who did what, and whether it is whole.", no_args_is_help=True, rich_markup_mode=None)

OBJECT = typer.Option(None, "--object", help="Only what was done to this: a model, or 'token ID'.")
SINCE = typer.Option(None, "--since", help="From this moment on, such as 2026-11-01 or 2026-11-01T12:00Z.")


@app.command()
def log(
    about: str = OBJECT,
    since: str = SINCE,
    limit: int = typer.Option(50, "--limit", min=1, help="How many of the newest entries."),
    json: bool = places.JSON,
) -> None:
    """List the newest entries."""
    from outlast.control.operations import AUDIT_LOG
    from outlast.control.shapes import LookingBack

    found = places.ask(AUDIT_LOG, LookingBack(about, places.moment_of(since), limit))
    if json:
        screen.as_json([vars(one) for one in found])
        return
    from outlast.cli.telling_audit import did

    said = [(one, *did(one)) for one in found]
    screen.table(
        ("entry", "at (UTC)", "who", "known by", "did", "to", "what", "digest"),
        [
            (e.seq, screen.moment(e.at), e.actor, e.detail.get("identity"), word, e.object, what, e.digest[:8])
            for e, word, what in said
        ],
        empty="The trail has no such entry: what is trained, promoted, approved or applied is written there",
    )


@app.command()
def verify(
    known: str = typer.Option(None, "--known", help="The digest of an entry noted earlier, which must still be there."),
    json: bool = places.JSON,
) -> None:
    """Look for the first record that cannot be trusted."""
    from outlast.control.operations import AUDIT_VERIFY
    from outlast.control.shapes import Knowing
    from outlast.types import counted

    found = places.ask(AUDIT_VERIFY, Knowing(known))
    if json:
        screen.as_json(found)
    elif found.broken is not None:
        place = f" at entry {found.broken.seq}" if found.broken.seq > 0 else ""
        print(f"BROKEN{place}: {found.broken.sentence}")
        print("Next: keep the database as it is, and compare it with a backup or an export")
    else:
        last = f"; the last is {found.head}" if found.head else ""
        print(f"{counted(found.entries, 'entry', 'entries')}, whole{last}")
        print(f"compared with {counted(found.noted, 'digest')} noted outside the database")
    if not json:
        for remark in (*found.remarks, *found.failed):
            print(f"  {remark}")
    if found.broken is not None or found.failed:
        raise typer.Exit(1)


@app.command()
def export(
    out: Path = typer.Option(None, "--out", help="The file to write; without it, standard output."),
    about: str = OBJECT,
    since: str = SINCE,
) -> None:
    """Write entries as JSON lines, with how to verify them."""
    import sys

    import msgspec

    from outlast.control.operations import AUDIT_LOG
    from outlast.control.shapes import LookingBack
    from outlast.registry import audit

    found = places.ask(AUDIT_LOG, LookingBack(about, places.moment_of(since)))
    lines: list[Any] = [{"format": 1, "entries": len(found), "verify": audit.HOW}, *(vars(one) for one in found)]
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    if out is None:
        sys.stdout.write(data.decode())
        return
    try:
        out.write_bytes(data)
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error.strerror}): name another file with --out") from error
    print(f"{len(found)} entries in {out}")
