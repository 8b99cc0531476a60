"""From the evidence control's arguments to what a run is to do; nothing is touched."""

from __future__ import annotations

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
    plan = RunPlan(
        experiment=str(context["title"]),
        rate_per_s=rate_per_s,
        duration_s=duration_s,
        settle_s=settle_s,
        seed=seed,
        budget=_argument("budget", budget, Budget),
        drain_deadline_s=drain_deadline_s,
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
