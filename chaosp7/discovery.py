"""What ``chaos discover chaosp7`` lists."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from chaoslib.discovery.discover import discover_activities, initialize_discovery_result

import chaosp7

__all__ = ["discover"]

#: Package -> what its modules' public functions are.
_PACKAGES = {"chaosp7.actions": "action", "probes": "probe", "chaosp7.controls": "control"}

#: Modules in there that hold no activity: what others are built of.
_NOT_ACTIVITIES = {"chaosp7.actions.fault"}


def discover(discover_system: bool = True) -> dict[str, Any]:
    """Return Chaos Toolkit's discovery of this package.

    Args:
        discover_system: also look at the system around; nothing is looked for here.
    """
    del discover_system
    found: dict[str, Any] = initialize_discovery_result("chaosp7", chaosp7.__version__, "extension")
    for package, kind in _PACKAGES.items():
        for module in _modules(package):
            found["activities"].extend(discover_activities(module, kind))
    return found


def _modules(package: str) -> Iterator[str]:
    path = importlib.import_module(package).__path__
    for module in sorted(pkgutil.iter_modules(path), key=lambda module: module.name):
        name = f"{package}.{module.name}"
        if name not in _NOT_ACTIVITIES:
            yield name
