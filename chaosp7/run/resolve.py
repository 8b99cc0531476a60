"""From the evidence control's arguments to what a run is to do; nothing is touched."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chaosp7.errors import ConfigError
from chaosp7.exports.settings import Exports
from chaosp7.platform import loader
from chaosp7.platform.model import Platform
from chaosp7.run import preflight
from chaosp7.run.evidence import Budget
from chaosp7.run.plan import RunPlan
from chaosp7.safety.safeguards import safeguards_of

__all__ = ["resolve"]

T = TypeVar("T")


def resolve(  # noqa: D417  # the control documents its arguments
    context: Mapping[str, Any],
    *,
    platform: str | None,
    rate_per_s: float,
    duration_s: float,
    settle_s: float,
    seed: int,
    budget: Mapping[str, Any] | None,
    drain_deadline_s: float,
    reports: str,
    safeguards: Sequence[Mapping[str, Any]] | None,
    default_safeguards: bool,
    exports: Mapping[str, Any] | None,
    unknown: Mapping[str, Any],
) -> tuple[Platform, RunPlan]:
    """Return the platform and what to do with it.

    Args:
        context: the experiment; the others are those of
            `chaosp7.controls.evidence.before_experiment_control`.

    Raises:
        ConfigError: if an argument is wrong, or the experiment names what the platform hasn't got.
    """
    if unknown:
        raise ConfigError(f"the evidence control has no argument {', '.join(sorted(unknown))}")
    model = loader.load(platform)
    preflight.check_names(context, model)
    preflight.check_numbers(context)
    preflight.check_tolerances(context)
    plan = RunPlan(
        experiment=str(context["title"]),
        rate_per_s=_number("rate_per_s", rate_per_s, more_than_0=True),
        duration_s=_number("duration_s", duration_s),
        settle_s=_number("settle_s", settle_s),
        seed=_whole_number("seed", seed),
        budget=_budget(budget),
        drain_deadline_s=_number("drain_deadline_s", drain_deadline_s),
        faults_expected=preflight.count_faults(context),
        reports=Path(reports),
        safeguards=safeguards_of(safeguards or (), defaults=default_safeguards),
        exports=_argument("exports", exports, Exports),
    )
    return model, plan


def _argument(name: str, values: Mapping[str, Any] | None, kind: type[T]) -> T:
    try:
        return msgspec.convert(values or {}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name} in the evidence control's arguments: {error}") from error


def _budget(values: Mapping[str, Any] | None) -> Budget:
    found = _argument("budget", values, Budget)
    for name, value in msgspec.to_builtins(found).items():
        if value is not None and not value >= 0:
            raise ConfigError(f"budget in the evidence control's arguments: {name} is {value}, less than 0")
    return found


def _number(name: str, value: Any, *, more_than_0: bool = False) -> Any:
    """Return an argument that is a number of 0 or more; a text is read as one."""
    number = value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = float(value)
    if not preflight.is_number(number):
        raise ConfigError(f"{name} in the evidence control's arguments: takes a number, not {value!r}")
    if number < 0 or (more_than_0 and number == 0):
        least = "more than 0" if more_than_0 else "0 or more"
        raise ConfigError(f"{name} in the evidence control's arguments: must be {least}, not {value!r}")
    return number


def _whole_number(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number):
        raise ConfigError(f"{name} in the evidence control's arguments: takes a whole number, not {value!r}")
    return int(number)
