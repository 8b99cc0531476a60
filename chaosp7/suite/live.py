"""A suite as a table that is drawn anew on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaosp7.run.status import Status
from chaosp7.suite.view import AFTER_LOAD, Row, clock_text, fault_text

__all__ = ["LiveView"]


class LiveView:
    """Draws one row a run, and of each run that goes on what it is at.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        # It is drawn by `show` alone: no thread of its own, so that a child can be started at any time.
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw."""
        self._live.update(_drawn(rows), refresh=True)

    def say(self, text: str) -> None:
        """Say one thing, above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the table as it is."""
        self._live.stop()


def _drawn(rows: Sequence[Row]) -> Group:
    table = Table(box=None, pad_edge=False)
    for column in ("", "EXPERIMENT", "NOW", "TIME", "EXPECTED"):
        table.add_column(column, justify="right" if column in {"TIME", "EXPECTED"} else "left")
    details: list[Text | Table] = []
    for row in rows:
        record, status = row.record, row.status
        if record.verdict is not None:
            good = record.verdict == "passed"
            mark, now = (
                Text("✓" if good else "✗"),
                Text(record.verdict, style="green" if good else "bold red"),
            )
        elif row.elapsed_s is None:
            mark, now = Text("·", style="dim"), Text("waiting", style="dim")
        else:
            mark, now = Text("▶"), Text(status.stage if status else "beginning", style="cyan")
            if status is not None:
                details += _detail(row.label, status)
        elapsed = clock_text(row.elapsed_s) if row.elapsed_s is not None else ""
        expected = f"~{clock_text(record.expected_s)}" if record.expected_s else ""
        table.add_row(mark, Text(row.label), now, elapsed, expected)
    return Group(table, *details)


def _detail(label: str, status: Status) -> list[Text | Table]:
    fault = Text(f"  fault: {fault_text(status)}", style="yellow") if status.faults else Text("")
    head = Text.assemble((f"\n{label}", "bold"), f"  {status.sent:,} sent", fault)
    table = Table(box=None, pad_edge=False)
    for column in ("  TIER", "STALE", "VISIBLE", "MISSING NOW"):
        table.add_column(column, justify="left" if "TIER" in column else "right")
    for name, tier in status.tiers.items():
        fresh = tier.stale_ms is not None and tier.stale_ms <= tier.tolerance_ms
        stale = "unread" if tier.stale_ms is None else f"{tier.stale_ms / 1000:.1f} s"
        if status.stage in AFTER_LOAD:
            fresh, stale = True, "-"
        behind = max(0, status.sent - tier.visible)
        style = "green" if fresh else "red"
        table.add_row(f"  {name}", Text(stale, style=style), f"{tier.visible:,}", f"{behind:,}")
    return [head, table] if status.tiers else [head]
