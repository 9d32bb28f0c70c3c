"""An entry of the trail in words: what was done, how, and why."""

from collections.abc import Callable, Mapping
from typing import Any

from outlast.registry import audit

Detail = Mapping[str, Any]


def did(entry: audit.Entry) -> tuple[str, str]:
    """What was done, in one word, and what is to be said of it."""
    if entry.action == audit.TRANSITION:
        return str(entry.detail.get("action", entry.action)), _transition(entry.said())
    say = _SAYS.get(entry.action)
    return entry.action, say(entry.said()) if say else ""


def _transition(detail: Detail) -> str:
    before, after, beside = detail.get("from_version"), detail.get("to_version"), detail.get("challenger")
    way = "" if before == after else f"{_version(before)} → {_version(after)}"
    kind = "as advice" if detail.get("advice") else ""
    share = f" {detail['share']} %" if detail.get("share") is not None else ""
    stage = f"version {beside} in {detail['stage']}{share}" if beside is not None and detail.get("stage") else ""
    return _joined(" ".join(filter(None, (way, kind))), stage, detail.get("reason"))


def _version(number: Any) -> str:
    return "none" if number is None else str(number)


def _approval(detail: Detail) -> str:
    said = detail["approval"]
    return _joined(f"version {said['number']}, verdict {said['verdict_digest'][:12]}", said["reason"])


def _applied(detail: Detail) -> str:
    return ", ".join(change["key"] for change in detail["changes"])


def _token(detail: Detail) -> str:
    models = f" for {', '.join(detail['models'])}" if detail.get("models") else ""
    return f"{detail['name']}: {', '.join(detail['roles'])}{models}"


def _transferred(detail: Detail) -> str:
    there = detail["to"]
    return f"version {detail['number']} to {there['environment']}, there {there['number']}"


def _joined(*parts: Any) -> str:
    return ": ".join(str(part) for part in parts if part)


_SAYS: dict[str, Callable[[Detail], str]] = {
    "register": lambda detail: f"version {detail['number']}, bundle {detail['digest'][:12]}",
    "declare": lambda detail: f"by {detail['model']}",
    "apply": _applied,
    "retrain": lambda detail: str(detail["reason"]),
    "approve": _approval,
    "reject": _approval,
    "create token": _token,
    "revoke token": _token,
    "transfer": _transferred,
    "mirror": lambda detail: f"version {detail['version']}",
    "backup": lambda detail: str(detail.get("digest", ""))[:12],
    "restore": lambda detail: str(detail.get("digest", ""))[:12],
}
