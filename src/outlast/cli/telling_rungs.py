"""What is said of a version beside its own figures: its simpler model, and where an adopted one comes from."""

from collections.abc import Mapping
from typing import Any

from outlast.cli import screen


def simpler(summary: Mapping[str, Any]) -> None:
    """The ladder's simpler model, and what an answer by it costs; nothing where the ladder names none."""
    found = summary.get("simpler")
    if found is None:
        return
    if "metrics" not in found:
        screen.line("simpler", found["says"])
        return
    costs, metrics = found["costs"], found["metrics"]
    name = costs["metric"] if costs["metric"] in metrics else next(iter(metrics))
    says = f"{found['candidate']}, without lookups: {name} {screen.interval(metrics[name])}"
    screen.line("simpler", f"{says}; {_cost(costs)}")
    if _worse_than_default(summary):
        screen.line("", "that is more than the version is worth against the default: without 'simpler' in the ladder")
        screen.line("", "such answers would be worth more, by these figures")


def adopted(summary: Mapping[str, Any]) -> None:
    """Where an adopted model comes from, and what is not known of it."""
    found = summary.get("adopted")
    if found is None:
        return
    screen.line("adopted", f"from {found['from']}, a {found['kind']}, digest {found['digest'][:12]}")
    if found.get("unused"):
        screen.line("not taken", f"of the project's features: {', '.join(found['unused'])}")
    for name, why in found["absent"].items():
        screen.line("not known", f"{name}: {why}")
    for note in found["notes"]:
        screen.line("note", note)


def taken(summary: Mapping[str, Any]) -> list[str]:
    """The features that the model takes: an adopted one may leave some of the project's aside."""
    unused = (summary.get("adopted") or {}).get("unused", [])
    return [name for name in summary["features"] if name not in unused]


def adopted_from(found: Mapping[str, Any]) -> str:
    """The same in a sentence."""
    lacking = ", ".join(found["absent"])
    return (
        f"adopted: trained elsewhere, taken from {found['from']}, digest {found['digest'][:12]}; not known: {lacking}"
    )


def _worse_than_default(summary: Mapping[str, Any]) -> bool:
    """Whether the declared default, where it is the baseline, is worth more than an answer of the simpler model."""
    costs, worth, contract = summary["simpler"]["costs"]["value"], summary.get("value"), summary.get("contract")
    if costs is None or worth is None or contract is None:
        return False
    decisions = list(contract["value"].get("payoff") or {})
    ends = {"nobody acts": decisions[-1:], "everybody acts": decisions[:1]}
    default = contract["serving"].get("defaults", {}).get("decision")
    same = [default] == ends.get(contract["value"].get("baseline", "nobody acts"), [])
    return same and costs["per_decision"] > worth["per_decision"]


def _cost(costs: Mapping[str, Any]) -> str:
    money, loss = costs["value"], costs["loss"]
    if money is not None:
        return (
            f"an answer by it costs {_amount(money['per_decision'])} {money['currency']} "
            f"({_amount(money['low'])} to {_amount(money['high'])}), {money['per_1000']:,.0f} per 1,000"
        )
    if loss is None:
        return "what it costs is not known on these rows"
    return f"it loses {screen.number(loss['value'])} ({screen.number(loss['low'])} to {screen.number(loss['high'])})"


def _amount(value: float) -> str:
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
