"""What the offload tells of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaosp7.embedded.http import Metric

__all__ = ["Statistics"]


@dataclass(slots=True)
class Statistics:
    """Counters since the start, and the state now; one thread writes, others read.

    Attributes:
        failures: tries that failed.
        consecutive_failures: of these, since the last success.
        retries: tries after a failure.
        conflicts: commits that were refused, for somebody else had committed.
        commits: that this process knows to have happened.
        recovered: watermarks that were behind their table and have been raised to it.
        rows: of all commits.
        newest: silver's newest batch, at the last look.
        watermarks: by table.
        seconds: of the last whole try, seconds.
        last_success_ns: monotonic; 0 before the first.
        last_error: of the last failure.
    """

    failures: int = 0
    consecutive_failures: int = 0
    retries: int = 0
    conflicts: int = 0
    commits: int = 0
    recovered: int = 0
    rows: int = 0
    newest: int = 0
    watermarks: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    last_success_ns: int = 0
    last_error: str = ""

    def succeeded(self) -> None:
        """A try has worked."""
        self.consecutive_failures = 0
        self.last_success_ns = time.monotonic_ns()

    def failed(self, error: str) -> None:
        """A try hasn't."""
        self.failures += 1
        self.consecutive_failures += 1
        self.last_error = error

    def age_s(self) -> float:
        """Return how long ago the last success was, seconds; infinity before the first."""
        if not self.last_success_ns:
            return float("inf")
        return (time.monotonic_ns() - self.last_success_ns) / 1e9

    def metrics(self) -> Iterator[Metric]:
        """Yield everything for Prometheus."""
        counters = {
            "failures": (self.failures, "Tries that failed."),
            "retries": (self.retries, "Tries after a failure."),
            "conflicts": (self.conflicts, "Commits refused because another one came first."),
            "commits": (self.commits, "Commits that this process knows to have happened."),
            "recovered": (self.recovered, "Watermarks that were behind their table."),
            "rows": (self.rows, "Rows of all commits."),
        }
        for name, (count, text) in counters.items():
            yield Metric(f"offload_{name}_total", count, kind="counter", help=text)
        yield Metric("offload_consecutive_failures", self.consecutive_failures)
        for table, watermark in list(self.watermarks.items()):
            yield Metric("offload_watermark", watermark, {"table": table}, help="Last batch that is there.")
        for table, watermark in list(self.watermarks.items()):
            yield Metric("offload_lag_batches", max(0, self.newest - watermark), {"table": table})
        yield Metric("offload_cycle_seconds", self.seconds, help="Of the last try.")
        if self.last_success_ns:
            yield Metric("offload_last_success_age_seconds", self.age_s())
