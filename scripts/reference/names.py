"""The public names, with their signatures and docstrings."""

import inspect
import re

import outlast
from outlast import errors as errors_module
from outlast.errors import OutlastError

_EXAMPLE = re.compile(r"(?:^>>> .*(?:\n(?!$).*)*)", re.MULTILINE)


def text() -> str:
    """Every name of `outlast`, in the order a user meets them."""
    order = ["Source", "latest", "window", "Features", "Model", "open", "connect", "dataset", "OutlastError"]
    names = [name for name in order if name in outlast.__all__] + [n for n in outlast.__all__ if n not in order]
    return "\n\n".join(_entry(name) for name in names)


def errors() -> str:
    """The tree of errors, as its module draws it."""
    doc = inspect.getdoc(errors_module) or ""
    tree = doc.split("\n\n")[1]
    return f"```text\n{inspect.cleandoc(tree)}\n```"


def _entry(name: str) -> str:
    value = getattr(outlast, name)
    doc = inspect.getdoc(value) or ""
    lines = [f"## {name}", "", f"```text\n{_signature(name, value)}\n```", ""]
    for paragraph in doc.split("\n\n"):
        example = _EXAMPLE.match(paragraph)
        lines += [f"```python\n{paragraph}\n```" if example else paragraph, ""]
    return "\n".join(lines).strip()


def _signature(name: str, value: object) -> str:
    if isinstance(value, type) and issubclass(value, OutlastError):
        return f"class {name}(Exception)"
    assert callable(value)
    signature = inspect.signature(value)
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return name + str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
