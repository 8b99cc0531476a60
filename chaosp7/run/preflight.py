"""Before anything is touched: does what an experiment names exist, can it last so long, be so much?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaosp7.errors import ConfigError
from chaosp7.platform.model import Platform

__all__ = ["check_names", "check_numbers", "check_tolerances", "count_faults", "is_fault", "is_number"]

_ACTIONS = "chaosp7.actions."

#: The actions that undo faults; all others inject one.
_NOT_FAULTS = ("chaosp7.actions.start",)

#: Argument of an activity -> how the platform answers for it.
_NAMED = {"service": Platform.service, "link": Platform.link, "tier": Platform.tier}

#: Ends of the names of arguments that say how long, how much: names have their units in them.
_UNITS = ("_s", "_ms", "_bytes", "_mb")
#: It may go back.
_SIGNED = "skew_s"


def check_names(experiment: Mapping[str, Any], platform: Platform) -> None:
    """Check the service, link and tier arguments of all activities of ours.

    Args:
        experiment: Chaos Toolkit's experiment.
        platform: the system under test.

    Raises:
        ConfigError: if one names something that the platform file doesn't have; the message
            names the activity.
    """
    for activity in _activities(experiment):
        for argument, look_up in _NAMED.items():
            value = _arguments(activity).get(argument)
            # "${...}" is substituted later, when the activity is called and checks for itself.
            if not isinstance(value, str) or value.startswith("${"):
                continue
            try:
                look_up(platform, value)
            except ConfigError as error:
                raise ConfigError(f"activity {activity.get('name')!r}: {error}") from None


def check_numbers(experiment: Mapping[str, Any]) -> None:
    """Check the arguments of all activities of ours that say how long or how much.

    Args:
        experiment: Chaos Toolkit's experiment.

    Raises:
        ConfigError: if one isn't a number, or is less than 0; the message names the activity.
    """
    for activity in _activities(experiment):
        for argument, value in _arguments(activity).items():
            if not argument.endswith(_UNITS) or (isinstance(value, str) and "${" in value):
                continue
            problem = ""
            if not is_number(value):
                problem = f"takes a number, not {value!r}"
            elif value < 0 and argument != _SIGNED:
                problem = f"can't be less than 0, and is {value!r}"
            if problem:
                raise ConfigError(f"activity {activity.get('name')!r}: {argument} {problem}")


def check_tolerances(experiment: Mapping[str, Any]) -> None:
    """Check that no probe of ours has a tolerance where Chaos Toolkit doesn't look at it.

    Args:
        experiment: Chaos Toolkit's experiment.

    Raises:
        ConfigError: if one in the method or the rollbacks has: it would pass whatever it finds.
    """
    for section in ("method", "rollbacks"):
        for activity in _ours(experiment.get(section)):
            if "tolerance" in activity:
                raise ConfigError(
                    f"activity {activity.get('name')!r}: nobody looks at a tolerance in the {section}; "
                    "a probe belongs into the steady state or the safeguards, or has none"
                )


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count_faults(experiment: Mapping[str, Any]) -> int:
    """Return how many activities of the method inject a fault."""
    return sum(1 for activity in experiment.get("method") or () if is_fault(activity))


def is_fault(activity: Mapping[str, Any]) -> bool:
    """Tell whether an activity injects a fault."""
    module = str(_provider(activity).get("module", ""))
    return module.startswith(_ACTIONS) and module not in _NOT_FAULTS


def _activities(experiment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    for section in (hypothesis.get("probes"), experiment.get("method"), experiment.get("rollbacks")):
        yield from _ours(section)


def _ours(section: Iterable[Mapping[str, Any]] | None) -> Iterator[Mapping[str, Any]]:
    for activity in section or ():
        if str(_provider(activity).get("module", "")).startswith(("chaosp7.", "probes.")):
            yield activity


def _provider(activity: Mapping[str, Any]) -> Mapping[str, Any]:
    return activity.get("provider") or {}


def _arguments(activity: Mapping[str, Any]) -> Mapping[str, Any]:
    return _provider(activity).get("arguments") or {}
