"""Each section and key of outlast.toml: kind, default and example from the code, meaning from meanings.toml."""

import tomllib
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outlast.project.contract import LIVE, Contract, FieldSection, RulesSection

MEANINGS = Path(__file__).with_name("meanings.toml")
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "", Any: "any"}


_TITLES = {"data": "data.SOURCE", "fields": "serving.fields.FIELD"}


def text() -> str:
    """One table per section."""
    said = tomllib.loads(MEANINGS.read_text("utf-8"))
    return "\n\n".join(_section(name, kind, said.get(name, {})) for name, kind in sections().items())


def sections() -> dict[str, type[BaseModel]]:
    """The sections by name; every source has one under `data`, every field under `serving.fields`."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in Contract.model_fields.items():
        kind = field.annotation
        found[name] = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else RulesSection
        if name == "serving":
            found["fields"] = FieldSection
    return found


def unmatched() -> list[str]:
    """Keys without a meaning, and meanings without a key."""
    said = tomllib.loads(MEANINGS.read_text("utf-8"))
    keys = {f"{name}.{key}" for name, kind in sections().items() for key in kind.model_fields}
    words = {f"{name}.{key}" for name, section in said.items() for key in section}
    return sorted(keys ^ words)


def _section(name: str, kind: type[BaseModel], said: dict[str, str]) -> str:
    title = f"## [{_TITLES.get(name, name)}]"
    state = "Live." if name in LIVE else _mixed(name)
    lines = [title, "", f"{(kind.__doc__ or '').strip()} {state}", "", "| key | kind | default | example | meaning |"]
    lines.append("|---|---|---|---|---|")
    for key, field in kind.model_fields.items():
        lines.append(f"| `{key}` | {_kind(field)} | {_default(field)} | {_example(field)} | {said.get(key, '')} |")
    return "\n".join(lines)


def _mixed(name: str) -> str:
    keys = [one.partition(".")[2] for one in LIVE if one.startswith(f"{name}.")]
    return f"Live: {', '.join(f'`{key}`' for key in keys)}; the rest is frozen." if keys else "Frozen."


def _kind(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("length"):
        return "length of time"
    return _words(field.annotation)


def _words(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f'`"{one}"`' for one in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(word for word in map(_words, inner) if word)
    if origin is list:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"table of {_words(inner[1])}"
    return "table" if isinstance(kind, type) and issubclass(kind, BaseModel) else _PLAIN[kind]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value in ({}, []) or isinstance(value, BaseModel):
        return ""
    return f"`{toml(value)}`"


def _example(field: FieldInfo) -> str:
    return f"`{toml(field.examples[0])}`" if field.examples else ""


def toml(value: Any) -> str:
    """A value as it is written in outlast.toml."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
    return str(value)
