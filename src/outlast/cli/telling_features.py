"""What the commands about features say."""

from typing import TYPE_CHECKING, Any

from outlast.cli import screen

if TYPE_CHECKING:
    from outlast.training.explain import Explained


def explained(found: "Explained") -> None:
    """A question, its features, and under each lookup the facts behind it."""
    print(f"{found.model}: key {found.key}, asked {screen.moment(found.asked_at)} UTC")
    if found.as_of != found.asked_at:
        print(f"as of {screen.moment(found.as_of)} UTC")
    screen.line("asks", _values(found.asks))
    for looked in found.lookups:
        print(f"{looked.kind} of {looked.source} for {looked.entity or 'nobody, the entity is missing'}")
        screen.line("features", _values(looked.features))
        rows = [(screen.moment(f.known), f.key, _values(f.values), f.state) for f in looked.facts]
        screen.table(("  known (UTC)", "key", "values", "state"), [(f"  {r[0]}", *r[1:]) for r in rows],
                     empty=f"  No fact of {looked.source} names it")  # fmt: skip
        if looked.older or looked.later:
            print(f"  and {looked.older:,} older, {looked.later:,} later")
    if found.functions:
        screen.line("functions", _values(found.functions))


def _values(named: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in named.items())


def _shown(value: Any) -> str:
    if hasattr(value, "strftime"):
        return str(value)
    return "missing" if value is None else screen.number(value) if isinstance(value, float) else str(value)
