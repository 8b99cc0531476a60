"""What a run is to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from chaosp7.exports.settings import Exports
from chaosp7.run.evidence import Budget
from chaosp7.safety.safeguards import Safeguard

__all__ = ["RunPlan"]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is to do; see `chaosp7.controls.evidence.before_experiment_control`."""

    experiment: str
    rate_per_s: float
    duration_s: float
    settle_s: float
    seed: int
    budget: Budget
    drain_deadline_s: float
    faults_expected: int
    reports: Path
    safeguards: tuple[Safeguard, ...] = ()
    exports: Exports = field(default_factory=Exports)
