"""How runs of a flow at an orchestrator lie beside a run's faults. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from chaosp7.run.evidence import ClockAnchor, FaultRecord

__all__ = [
    "ClockOffset", "Clocks", "FlowRun", "FlowState", "Span", "completed_after", "failed_during", "over",
]  # fmt: skip

#: A failure that nobody can overlook: the run has ended so (TimedOut is FAILED), or waits to try again.
_LOUD_TYPES: Final = ("FAILED", "CRASHED")
_LOUD_NAMES: Final = ("AwaitingRetry",)


class ClockOffset(NamedTuple):
    """By how much the orchestrator's wall clock is ahead of this machine's: between two values."""

    least_ns: int
    most_ns: int


class Span(NamedTuple):
    """When something happened, monotonic: not before the one, not after the other."""

    earliest_ns: int
    latest_ns: int


@dataclass(frozen=True, slots=True)
class FlowState:
    """A state that a flow run was in, or is.

    Attributes:
        name: as shown: ``Failed``, ``TimedOut``, ``AwaitingRetry``, ...
        type: ``FAILED``, ``CRASHED``, ``COMPLETED``, ``RUNNING``, ``SCHEDULED``, ...
        wall_ns: when it was entered, by the orchestrator's clock.
        message: why.
    """

    name: str
    type: str
    wall_ns: int
    message: str = ""

    @property
    def loud(self) -> bool:
        """Whether it says that something has failed."""
        return self.type in _LOUD_TYPES or self.name in _LOUD_NAMES


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a flow.

    Attributes:
        name: of the run.
        states: in their order: the last one, or all of them if it had more than one try.
    """

    name: str
    states: tuple[FlowState, ...]

    @property
    def state(self) -> FlowState:
        """The last state."""
        return self.states[-1]


@dataclass(frozen=True, slots=True)
class Clocks:
    """From the orchestrator's clock to the run's.

    Attributes:
        begun: one moment on both clocks of this machine, at the run's beginning.
        now: another one, after all that is placed.
        offset: of the orchestrator's wall clock from this machine's.
    """

    begun: ClockAnchor
    now: ClockAnchor
    offset: ClockOffset

    @property
    def uncertainty_s(self) -> float:
        """How long a span is, seconds."""
        return (self.offset.most_ns - self.offset.least_ns + abs(self._set_ns)) / 1e9

    def span(self, wall_ns: int) -> Span:
        """Return when it was, monotonic.

        Args:
            wall_ns: by the orchestrator's clock.
        """
        plain_ns = wall_ns - self.begun.wall_ns + self.begun.monotonic_ns
        set_ns = self._set_ns
        return Span(
            plain_ns - self.offset.most_ns - max(set_ns, 0), plain_ns - self.offset.least_ns - min(set_ns, 0)
        )

    def wall_ns(self, at_ns: int) -> int:
        """Return the earliest time that the orchestrator's clock may have shown at a moment.

        Args:
            at_ns: the moment, monotonic.
        """
        return (
            at_ns - self.begun.monotonic_ns + self.begun.wall_ns + self.offset.least_ns + min(self._set_ns, 0)
        )

    @property
    def _set_ns(self) -> int:
        """By how much this machine's wall clock has been set in the meantime, at whatever moment."""
        passed_ns = self.now.monotonic_ns - self.begun.monotonic_ns
        return self.now.wall_ns - self.begun.wall_ns - passed_ns


def over(faults: Iterable[FaultRecord]) -> Iterator[tuple[int, Span]]:
    """Yield number and time of each fault that was seen to take effect and to be over."""
    for number, fault in enumerate(faults):
        if fault.verified_start_ns is not None and fault.verified_end_ns is not None:
            yield number, Span(fault.verified_start_ns, fault.verified_end_ns)


def failed_during(runs: Iterable[FlowRun], fault: Span, clocks: Clocks) -> list[FlowState]:
    """Return the failures that were surely told while a fault lasted.

    Args:
        runs: of the flow.
        fault: from its verified start to its verified end.
        clocks: places them.
    """
    found = []
    for state in (state for run in runs for state in run.states if state.loud):
        span = clocks.span(state.wall_ns)
        if fault.earliest_ns <= span.earliest_ns and span.latest_ns <= fault.latest_ns:
            found.append(state)
    return found


def completed_after(runs: Iterable[FlowRun], end_ns: int, clocks: Clocks) -> int | None:
    """Return when the first run had surely completed after a moment, at the latest; None: none has.

    Args:
        runs: of the flow.
        end_ns: the moment, monotonic.
        clocks: places them.
    """
    spans = (clocks.span(run.state.wall_ns) for run in runs if run.state.type == "COMPLETED")
    return min((span.latest_ns for span in spans if span.earliest_ns >= end_ns), default=None)
