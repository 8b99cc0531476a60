"""A suite as lines with the time in front: for logs, CI, and terminals without colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from chaosp7.run.status import Stage
from chaosp7.suite.view import Row, clock_text, fault_text, tiers_text

__all__ = ["PlainView"]

_REMIND_EVERY_S = 30.0


class PlainView:
    """Says what changes, and every half minute that it still goes on.

    Args:
        write: takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said: dict[int, tuple[Stage, tuple[str, ...]]] = {}
        self._spoke_s: dict[int, float] = {}
        self._begun: set[int] = set()
        self._done: set[int] = set()

    def show(self, rows: Sequence[Row]) -> None:
        """Say what has changed."""
        for number, row in enumerate(rows):
            if row.elapsed_s is not None and number not in self._done:
                self._row(number, row, row.elapsed_s, len(rows))

    def say(self, text: str) -> None:
        """Say one thing."""
        self._write(f"{datetime.now(UTC):%H:%M:%SZ} {text}")

    def close(self) -> None:
        """There is nothing to be left."""

    def _row(self, number: int, row: Row, elapsed_s: float, count: int) -> None:
        record, status = row.record, row.status
        head = f"[{number + 1}/{count}] {row.label}"
        if number not in self._begun:
            self._begun.add(number)
            expected = f", about {clock_text(record.expected_s)} expected" if record.expected_s else ""
            self.say(f"{head}: begun{expected}; reports: {record.folder}")
        if record.verdict is not None:
            self._done.add(number)
            self.say(f"{head}: {record.verdict} after {clock_text(elapsed_s)}")
            for reason in record.reasons:
                self.say(f"{head}:   {reason}")
            return
        if status is None:
            return
        now = (status.stage, tuple(status.faults))
        overdue = elapsed_s - self._spoke_s.get(number, 0.0) > _REMIND_EVERY_S
        if now != self._said.get(number) or overdue:
            self._said[number], self._spoke_s[number] = now, elapsed_s
            fault = f"; fault: {fault_text(status)}" if status.faults else ""
            sent = f"; {status.sent:,} sent" if status.sent else ""
            tiers = f"; {text}" if (text := tiers_text(status)) else ""
            self.say(f"{head}: {clock_text(elapsed_s)} {status.stage}{fault}{sent}{tiers}")
