"""Carrying a fault out in a test, with its own ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from chaosp7.actions._fault import Fault, carry_out
from chaosp7.run.evidence import FaultRecord
from chaosp7.safety.fault_ledger import FaultLedger

__all__ = ["carried_out"]


def carried_out(fault: Fault, folder: Path, meanwhile: Callable[[], None] = lambda: None) -> FaultRecord:
    """Carry a fault out; what is to be seen while it lasts is asked in its place of holding.

    Args:
        fault: the fault.
        folder: for the fault ledger.
        meanwhile: called once the fault is verified.
    """
    ledger = FaultLedger(folder / "faults.jsonl")
    hold = fault.hold

    def held(over: Event) -> None:
        (entry,) = ledger.open_faults()  # written down before it was injected, and open as long as it lasts
        assert (entry.kind, entry.target, list(entry.undo)) == (fault.kind, fault.target, list(fault.undo))
        meanwhile()
        hold(over)

    fault.hold = held  # type: ignore[method-assign]
    record = FaultRecord(kind=fault.kind, target=fault.target)
    carry_out(fault, record, ledger, "test", Event())
    assert ledger.open_faults() == []
    assert record.error is None
    times = (record.injected_ns, record.verified_start_ns, record.healed_ns, record.verified_end_ns)
    assert None not in times
    assert sorted(t or 0 for t in times) == list(times)
    return record
