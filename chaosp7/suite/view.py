"""What whoever watches a suite is shown: the interface of both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosp7.run.status import Stage, Status
from chaosp7.suite.record import SuiteRun

__all__ = ["AFTER_LOAD", "Row", "View", "clock_text", "fault_text", "tiers_text"]

#: Nothing is sent any more: freshness has no meaning.
AFTER_LOAD = frozenset(
    {
        Stage.DRAIN,
        Stage.ACCOUNT,
        Stage.STEADY_STATE_AFTER,
        Stage.ROLLBACKS,
        Stage.CONCLUDING,
        Stage.ENDED,
    }
)


@dataclass(slots=True)
class Row:
    """One run of the suite, now.

    Attributes:
        elapsed_s: since it began; None if it hasn't.
    """

    record: SuiteRun
    status: Status | None = None
    elapsed_s: float | None = None

    @property
    def label(self) -> str:
        """What it is called."""
        return self.record.experiment


class View(Protocol):
    """Shows a suite."""

    def show(self, rows: Sequence[Row]) -> None:
        """Show how far everything is; called some times a second."""

    def say(self, text: str) -> None:
        """Say one thing."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def clock_text(seconds: float) -> str:
    """Return minutes and seconds, ``3:07``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def tiers_text(status: Status) -> str:
    """Return each tier's freshness, one that isn't fresh marked; after the load what is still missing."""
    if status.stage in AFTER_LOAD:
        missing = {name: status.sent - tier.visible for name, tier in status.tiers.items()}
        return "  ".join(f"{name} {count:,} missing" for name, count in missing.items() if count > 0)
    parts = []
    for name, tier in status.tiers.items():
        if tier.stale_ms is None:
            parts.append(f"{name} unread!")
        else:
            mark = "" if tier.stale_ms <= tier.tolerance_ms else "!"
            parts.append(f"{name} {tier.stale_ms / 1000:.1f} s{mark}")
    return "  ".join(parts)


def fault_text(status: Status) -> str:
    """Return the faults under way."""
    return "; ".join(status.faults)
