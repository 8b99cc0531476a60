"""The page of the faults' steps: what each does, in the words of its own code."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from chaosp7.actions._link import LinkFault
from docs.site.api import of_kind
from docs.site.howto import Recipe, recipes

__all__ = ["faults_page"]

_HOWTO = Path(__file__).parents[1] / "howto.md"
_STEPS = ("inject", "verify", "hold", "heal", "verify_healed")
#: What undoes a fault, and so is none.
_NO_FAULT = {"chaosp7.actions.start"}

_HEAD = """# Each fault's steps

Written from the code: what the five steps of each fault say of themselves, and the arguments of its action.
An overview, the limits, and what a fault takes (root, containers): [the faults](../docs/faults.md).
"""


def faults_page() -> str:
    """Return the page, in MyST Markdown.

    Raises:
        ValueError: if docs/howto.md doesn't have a recipe for a fault.
    """
    known = {recipe.action: recipe for recipe in recipes(_HOWTO.read_text(encoding="utf-8"))}
    parts = [_HEAD]
    for name, functions in of_kind("action").items():
        if name in _NO_FAULT:
            continue
        module = importlib.import_module(name)
        for function in functions:
            action = f"{name}.{function}"
            if action not in known:
                raise ValueError(f"docs/howto.md doesn't say how to use {action}")
            parts.append(_entry(module, function, known[action]))
    return "\n".join(parts)


def _entry(module: ModuleType, function: str, recipe: Recipe) -> str:
    called = getattr(module, function)
    fault = _fault_of(module)
    rows = "\n".join(f"| {step.replace('_', ' ')} | {_cell(getattr(fault, step))} |" for step in _STEPS)
    arguments = ", ".join(
        f"`{name}`" if one.default is one.empty else f"`{name}={one.default!r}`"
        for name, one in inspect.signature(called).parameters.items()
    )
    short = module.__name__.rpartition(".")[2]
    return (
        f"## {short}.{function}\n\n{_plain(inspect.getdoc(module))}\n\n"
        f"[How to](../docs/howto.md#{recipe.anchor}) · {{py:func}}`API <{module.__name__}.{function}>`\n\n"
        f"Arguments: {arguments}\n\n"
        f"| step | what is done |\n|---|---|\n{rows}\n"
    )


def _fault_of(module: ModuleType) -> type[Any]:
    """Return the class of a module's fault; several links' faults are one class with other toxics."""
    own = [
        thing
        for thing in vars(module).values()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and hasattr(thing, "verify_healed")
    ]
    return own[0] if own else LinkFault


def _cell(step: Any) -> str:
    return _plain((inspect.getdoc(step) or "").partition("\n")[0])


def _plain(text: str | None) -> str:
    return (text or "").replace("``", "`")
