"""What ``chaos discover chaosp7`` lists: every action, probe and control with its arguments.

The packages are walked: a new fault file appears by itself. What of a module is an activity, its
``__all__`` says.
"""

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaoslib.discovery.discover import (
    discover_activities,
    initialize_discovery_result,
    portable_type_name,
)
from chaoslib.exceptions import DiscoveryFailed

import chaosp7

__all__ = ["discover"]

#: Package -> what the functions of its modules are.
_PACKAGES = {"chaosp7.actions": "action", "probes": "probe", "chaosp7.controls": "control"}


def discover(discover_system: bool = True) -> dict[str, Any]:
    """Return Chaos Toolkit's discovery of this package.

    Args:
        discover_system: also look at the system around; there is nothing to be looked for here.

    Raises:
        DiscoveryFailed: if a module can't be imported.
    """
    del discover_system
    found: dict[str, Any] = initialize_discovery_result(
        "chaosp7", chaosp7.__version__, "streaming-data-platform"
    )
    for package, kind in _PACKAGES.items():
        for name in _modules(package):
            found["activities"] += _activities(name, kind)
    return found


def _modules(package: str) -> Iterator[str]:
    """Go through the modules of a package and of the packages in it, by name."""
    found = pkgutil.walk_packages(_import(package).__path__, f"{package}.", onerror=_fail)
    for name in sorted(module.name for module in found):
        # What begins with an underscore is what others are built of.
        if not name.rpartition(".")[2].startswith("_"):
            yield name


def _activities(name: str, kind: str) -> list[dict[str, Any]]:
    module = _import(name)
    if not getattr(module, "__all__", ()):
        return []  # of a module without one, Chaos Toolkit would list whatever it imports
    activities: list[dict[str, Any]] = discover_activities(name, kind)
    for activity in activities:
        # Chaos Toolkit calls everything an object that isn't a bare class, `str | None` included.
        hints = typing.get_type_hints(getattr(module, activity["name"]))
        for argument in activity["arguments"]:
            if argument["name"] in hints:
                argument["type"] = _type_name(hints[argument["name"]])
        if "return" in hints:
            activity["return_type"] = _type_name(hints["return"])
    return activities


def _type_name(hint: Any) -> str:
    """Return Chaos Toolkit's name of a type; an optional one is called as what it is when given."""
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        given = [part for part in typing.get_args(hint) if part is not types.NoneType]
        return _type_name(given[0]) if len(given) == 1 else "object"
    plain = typing.get_origin(hint) or hint
    if isinstance(plain, type) and issubclass(plain, Mapping):
        plain = dict
    elif plain in {Sequence, list}:
        plain = list
    elif plain is types.NoneType:
        plain = None
    return str(portable_type_name(plain))


def _import(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DiscoveryFailed(f"{name} can't be imported: {error}") from error


def _fail(name: str) -> None:
    raise DiscoveryFailed(f"{name} can't be imported")
