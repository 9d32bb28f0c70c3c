"""The command that rids the journal of what it holds of a key."""

import typer

from outlast.cli import places, screen
from outlast.errors import RequestError


def erase(
    model: str = places.MODEL,
    key: str = typer.Option(..., "--key", help="Whose values, as a label names it: a value, or JSON of several parts."),
    yes: bool = typer.Option(False, "--yes", help="Erase. Left out: only say what would be."),
    json: bool = places.JSON,
) -> None:
    """Erase what the journal holds of a key, for good."""
    from outlast.control.operations import ERASE
    from outlast.control.shapes import Erasing
    from outlast.types import counted

    if not key.strip():
        raise RequestError("--key names nothing: say whose values, as a label names them")
    found = places.ask(ERASE, Erasing(places.meant(model), key, yes))
    if json:
        screen.as_json(found)
        return
    for table, count in sorted(found.rows.items()):
        print(f"{table}: {counted(count, 'row')} {'erased' if yes else 'to erase'}")
    if not found.rows:
        print(f"The tables of {found.model} hold nothing of this key")
    if found.waiting:
        files = counted(found.waiting, "file")
        print(f"Not yet: {files} that servers are writing to still {'holds' if found.waiting == 1 else 'hold'} it; "
              "they are finished within five minutes, then type this again")  # fmt: skip
    print("Not here, and left as it is: " + "; ".join(found.stays))
    if found.rows and not yes:
        print("Nothing is changed. To erase it for good, add --yes")
