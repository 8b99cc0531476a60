"""Look at an experiment as closely as can be done without touching anything."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment

from chaosp7.controls import evidence
from chaosp7.errors import ConfigError
from chaosp7.platform.model import Platform
from chaosp7.run.plan import RunPlan
from chaosp7.run.planned import PlannedRun
from chaosp7.run.preview import preview
from chaosp7.run.resolve import resolve

__all__ = ["Examined", "examine"]


@dataclass(frozen=True, slots=True)
class Examined:
    """An experiment that is right.

    Attributes:
        content: Chaos Toolkit's experiment.
        own_platform: the platform that it names itself, if it does.
        preview: what it would do, in lines.
        faults: kind and target of each that could be told.
        expected_s: how long it takes, about: its load, its method, and what is around them.
    """

    path: str
    content: Mapping[str, Any]
    model: Platform
    plan: RunPlan
    own_platform: str | None
    preview: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]
    expected_s: float


def examine(path: str | Path) -> Examined:
    """Return an experiment, checked by Chaos Toolkit and by us.

    Args:
        path: its file.

    Raises:
        ConfigError: if it is wrong, or names what isn't there.
    """
    try:
        content = load_experiment(str(path))
        if not isinstance(content, Mapping):
            raise ConfigError(f"{path}: an experiment is a mapping of title, method and more")  # noqa: TRY301
        configuration = _configuration(content)
        ensure_experiment_is_valid(content)
    except ConfigError:
        raise
    except ChaosException as error:
        raise ConfigError(f"{path}: {error}") from error
    except Exception as error:
        # A file that isn't what its name says: chaoslib lets its parsers' errors through.
        raise ConfigError(f"{path}: can't be read as an experiment: {error}") from error
    arguments = substitute(_control(content), configuration, {})
    try:
        bound = inspect.signature(evidence.before_experiment_control).bind(content, **arguments)
    except TypeError as error:
        raise ConfigError(f"the evidence control: {error}") from error
    bound.apply_defaults()
    model, plan = resolve(**bound.arguments)
    run = PlannedRun(model, plan)
    # All of it first: half a plan isn't one.
    lines = tuple(preview(content, run, configuration))
    return Examined(
        path=str(path),
        content=content,
        model=model,
        plan=plan,
        own_platform=bound.arguments["platform"],
        preview=lines,
        faults=tuple((record.kind, record.target) for _, record in run.planned),
        expected_s=_expected_s(plan, substitute(content.get("method") or [], configuration, {})),
    )


def _configuration(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``${...}`` stands for.

    Raises:
        ConfigError: if an environment variable isn't what the experiment takes it for.
    """
    declared = content.get("configuration") or {}
    found: dict[str, Any] = {}
    for name, value in declared.items():
        try:
            found |= load_configuration({name: value}, {})
        except ValueError as error:
            key = value.get("key", name) if isinstance(value, Mapping) else name
            raise ConfigError(f"{key}, which the experiment reads: {error}") from error
    return found


#: About: a platform comes up and goes down, the steady state is met, tiers come to rest, the account.
_AROUND_S = 30.0


def _expected_s(plan: RunPlan, method: list[Mapping[str, Any]]) -> float:
    method_s = 0.0
    for activity in method:
        pauses = activity.get("pauses") or {}
        arguments = (activity.get("provider") or {}).get("arguments") or {}
        own = [pauses.get("before"), pauses.get("after"), arguments.get("duration_s")]
        took_s = sum(float(one) for one in own if isinstance(one, int | float))
        if not activity.get("background"):
            method_s += took_s
    return _AROUND_S + max(plan.duration_s, method_s + plan.settle_s)


def _control(content: Mapping[str, Any]) -> dict[str, Any]:
    for control in content.get("controls") or ():
        provider = control.get("provider") or {}
        if provider.get("module") == evidence.__name__:
            arguments: dict[str, Any] = provider.get("arguments") or {}
            return arguments
    raise ConfigError(
        f"the experiment hasn't got the control {evidence.__name__!r}: nothing would be measured "
        "(see docs/tutorial.md)"
    )
