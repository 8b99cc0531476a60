"""Undo what the fault ledger still holds open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from chaosp7.errors import ChaosP7Error, HealError, RunError
from chaosp7.platform.driver import Driver
from chaosp7.safety.fault_ledger import FaultLedger, OpenFault
from chaosp7.safety.undo import carry_out_undo, is_undone

__all__ = ["heal", "ledger_of", "leftovers", "refuse_leftovers"]

_RETRY_EVERY_S = 0.2


def ledger_of(driver: Driver) -> FaultLedger:
    """Return the fault ledger of a platform."""
    return FaultLedger(driver.state.faults)


def leftovers(driver: Driver, run: str | None = None) -> list[OpenFault]:
    """Return faults that nobody looks after any more: open, and the process that made them gone.

    Args:
        driver: of the platform.
        run: only those of this run.

    Raises:
        HealError: if the fault ledger can't be read.
    """
    return [
        fault
        for fault in ledger_of(driver).open_faults(run)
        if fault.runner is None or not fault.runner.alive()
    ]


def heal(
    driver: Driver,
    faults: Sequence[OpenFault],
    by: str,
    timeout_s: float = 30.0,
    on_healed: Callable[[OpenFault], None] = lambda _: None,
) -> None:
    """Undo faults, newest first, and see that each is undone; tries again until the time is over.

    Args:
        driver: of the platform.
        faults: what to undo.
        by: who does it, for the ledger.
        timeout_s: for all of them, seconds.
        on_healed: called with each that is undone.

    Raises:
        HealError: if some couldn't be undone; the others are.
    """
    ledger = ledger_of(driver)
    deadline = time.monotonic() + timeout_s
    waiting = list(reversed(faults))
    problems: dict[str, str] = {}
    while waiting:
        for fault in list(waiting):
            try:
                _undo(driver, fault)
                ledger.close(fault, by)
            except ChaosP7Error as error:
                problems[fault.id] = str(error)
            else:
                waiting.remove(fault)
                on_healed(fault)
        if waiting and time.monotonic() >= deadline:
            raise HealError("; ".join(f"{f.kind} {f.target}: {problems[f.id]}" for f in waiting))
        if waiting:
            time.sleep(_RETRY_EVERY_S)


def refuse_leftovers(driver: Driver, brought_up: bool) -> None:
    """See that no fault of an earlier run is still at work.

    Args:
        driver: of the platform.
        brought_up: whether this run brought it up: then they were faults of a platform that is gone.

    Raises:
        RunError: if there are some.
        HealError: if the fault ledger can't be read.
    """
    left = leftovers(driver)
    if brought_up:
        heal(driver, left, "run")
    elif left:
        what = ", ".join(f"{fault.kind} {fault.target} of {fault.run}" for fault in left)
        raise RunError(f"faults of an earlier run are still open: {what}; `chaosp7 heal` undoes them")


def _undo(driver: Driver, fault: OpenFault) -> None:
    for undo in fault.undo:
        if not is_undone(undo, driver):
            carry_out_undo(undo, driver)
        if not is_undone(undo, driver):
            raise HealError(f"{undo.op} {undo.target} has not taken effect")
