"""The pages of what a user names in an experiment or imports in a test, from the docstrings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from enum import Enum

from chaosp7.discovery import discover

__all__ = ["api_pages", "of_kind"]

#: What tests of one's own use, beside actions and probes.
_RUNS = {
    "chaosp7.measure.messages": ["Messages", "measured"],
    "chaosp7.measure.account": ["Account", "TierFigures"],
    "chaosp7.measure.held": ["HeldFault"],
    "chaosp7.pytest_plugin.platforms": ["PlatformUp"],
    "chaosp7.platform.loader": ["load"],
    "chaosp7.run.run": ["Run"],
    "chaosp7.run.plan": ["RunPlan"],
    "chaosp7.run.current": ["open_run", "close_run", "current_run"],
    "chaosp7.run.evidence": ["Budget", "Evidence", "read"],
}

_MODEL = "chaosp7.platform.model"
_MODEL_CLASSES = ["Platform", "Service", "Part", "Link", "Tier", "TierKind", "ConsumerGroup"]

#: What a test calls of a class; the rest of it is for actions and probes.
_METHODS = {
    "Run": "start, finish, accounts, recovery_of, release",
    "Messages": "begin, fault, account, close, folder, report",
    "Account": "sent, lost, late, corrupted, duplicated, reordered, unexpected, missed_at_source, "
    "unacknowledged, assert_nothing_lost, assert_no_acknowledged_loss, assert_delivered, "
    "assert_recovered_within, assert_within_budget",
    "HeldFault": "heal",
    "PlatformUp": "endpoint",
}

_ACTIONS = """
What an experiment's method names: ``"module": "chaosp7.actions.kill", "func": "kill_service"``. Each acts on
the run that is open in the process. How to use each: :doc:`/docs/howto`; what each does to the platform:
:doc:`/reference/faults`.
"""
_PROBES = """
What an experiment's steady state and its safeguards name, and what a test of your own imports. Each looks at
the run that is open in the process; one that can't measure raises ``chaoslib.exceptions.ActivityFailed``.
"""
_CONTROLS = """
An experiment names the module; Chaos Toolkit calls the functions. The arguments that an experiment may set
are those of ``before_experiment_control``.
"""
_RUNS_HEAD = """
What opens a run outside of an experiment, as in :doc:`tests of your own </docs/pytest>`, and what reads its
evidence.
"""
_PLATFORM = """
What a file in ``platforms/`` may say, key by key; a key that isn't here is an error. To begin from:
:download:`embedded.yaml </platforms/embedded.yaml>`, or for containers of your own
:download:`k2-compose.yaml </platforms/k2-compose.yaml>`. ``extends: NAME`` takes over another file's keys;
what the file says itself replaces them whole. That file may extend another one.
"""
_ERRORS = """
All of them derive from ``ChaosP7Error``. Actions and probes turn them into
``chaoslib.exceptions.ActivityFailed``, for Chaos Toolkit; the command line into one line and exit code 2.
"""


def api_pages() -> dict[str, str]:
    """Return the pages, in reStructuredText, by their names in the source."""
    errors = importlib.import_module("chaosp7.errors")
    return {
        "reference/actions.rst": _page("Actions", _ACTIONS, of_kind("action")),
        "reference/probes.rst": _page("Probes", _PROBES, of_kind("probe")),
        "reference/controls.rst": _page("Controls", _CONTROLS, of_kind("control")),
        "reference/runs.rst": _page("Runs in tests of your own", _RUNS_HEAD, _RUNS, modules=False),
        "reference/platform.rst": _page("The platform file", _PLATFORM, {_MODEL: _MODEL_CLASSES}),
        "reference/errors.rst": _page("Errors", _ERRORS, {"chaosp7.errors": errors.__all__}),
    }


def of_kind(kind: str) -> dict[str, list[str]]:
    """Return what `chaos discover` lists of a kind: module -> its functions.

    Args:
        kind: ``action``, ``probe`` or ``control``.
    """
    found: dict[str, list[str]] = {}
    for activity in discover()["activities"]:
        if activity["type"] == kind:
            found.setdefault(activity["mod"], []).append(activity["name"])
    return found


def _page(title: str, head: str, contents: dict[str, list[str]], *, modules: bool = True) -> str:
    parts = [title, "=" * len(title), head]
    for module, names in contents.items():
        parts += _module(module, names, whole=modules)
    return "\n".join(parts) + "\n"


def _module(module: str, names: Sequence[str], *, whole: bool) -> list[str]:
    lines = [module, "-" * len(module), ""]
    # Its docstring, where the whole of it is meant for users.
    lines += [f".. automodule:: {module}", "   :no-members:", ""] if whole else []
    lines += [f".. py:currentmodule:: {module}", ""]
    for name in names:
        thing = getattr(importlib.import_module(module), name)
        if inspect.isclass(thing):
            error = issubclass(thing, BaseException)
            lines += [f".. {'autoexception' if error else 'autoclass'}:: {module}.{name}"]
            lines += ["   :show-inheritance:"] if error else []
            lines += [f"   :members: {_METHODS[name]}"] if name in _METHODS else []
            lines += ["   :members:", "   :undoc-members:"] if issubclass(thing, Enum) else []
        else:
            lines += [f".. autofunction:: {module}.{name}"]
        lines += [""]
    return lines
