"""Shipped experiments on other terms, for tests that ask something else of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Change", "any_recovery", "edited", "settling_long"]

#: Changes the content of an experiment in place.
Change = Callable[[dict[str, Any]], object]


def edited(experiment: Path, folder: Path, *changes: Change) -> Path:
    """Write a changed experiment; return its file.

    Args:
        experiment: its file; it stays as it is.
        folder: where the changed one goes.
        changes: what is done to its content, in order.
    """
    content = json.loads(experiment.read_text())
    for change in changes:
        change(content)
    path = folder / "experiment.json"
    path.write_text(json.dumps(content))
    return path


def settling_long(content: dict[str, Any]) -> None:
    """Let the load go on for 30 s after the method, so that a slow machine recovers in it."""
    _evidence(content)["settle_s"] = 30


def any_recovery(content: dict[str, Any]) -> None:
    """Allow each recovery more than a run takes: how fast it is depends on the machine, and is for benchmarks."""
    _evidence(content)["budget"]["recovery_s"] = 300
    for probe in content["steady-state-hypothesis"]["probes"]:
        if probe["provider"]["func"] == "recovered_within":
            probe["provider"]["arguments"]["budget_s"] = 300


def _evidence(content: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the control that measures."""
    (evidence,) = content["controls"]
    arguments: dict[str, Any] = evidence["provider"]["arguments"]
    return arguments
