"""What docs/howto.md shows of each fault: its heading and its step."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Recipe", "recipes"]

_SECTION = re.compile(r"^### (.+)$", re.MULTILINE)
_JSON = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to inject one fault.

    Attributes:
        title: its heading.
        step: the activity, as an experiment has it.
        platform: the platform file that it takes, or nothing where a shipped one will do.
    """

    title: str
    step: dict[str, Any]
    platform: str

    @property
    def action(self) -> str:
        """The function that it calls, with its module."""
        return f"{self.step['provider']['module']}.{self.step['provider']['func']}"

    @property
    def anchor(self) -> str:
        """The heading's anchor on the page."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


def recipes(page: str) -> list[Recipe]:
    """Return the recipes of a page; each is a heading of the third level with one step below it.

    Args:
        page: docs/howto.md.

    Raises:
        ValueError: if there isn't exactly one step below a heading.
    """
    _, *parts = _SECTION.split(page)
    found = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        (step,) = _JSON.findall(text)
        found.append(Recipe(title, json.loads(step), "".join(_YAML.findall(text))))
    return found
