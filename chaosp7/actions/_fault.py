"""What every fault is: five steps, carried out in one order, each noted with its time.

A fault is written into the fault ledger, on disk, before it is injected; that it took effect and
that it is gone again is observed, never assumed. It is healed whatever happens in between: here, or
by the watchdog if this process can't.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from threading import Event
from typing import Protocol

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error, ConfigError, FaultError, HealError, NotVerifiedError
from chaosp7.run.current import current_run
from chaosp7.run.evidence import FaultRecord
from chaosp7.run.planned import PlannedRun
from chaosp7.run.run import Run
from chaosp7.safety.fault_ledger import FaultLedger
from chaosp7.safety.undo import Undo

__all__ = ["Fault", "carry_out", "inject_fault", "made_by"]

logger = logging.getLogger("chaostoolkit")

Detail = dict[str, str | int | float]


class Fault(Protocol):
    """One failure that can be injected, observed and undone.

    Steps that observe return what they saw, in words, and the moment when they saw it
    (monotonic nanoseconds), or raise.
    """

    @property
    def kind(self) -> str:
        """What it is called."""

    @property
    def target(self) -> str:
        """The service or link."""

    @property
    def undo(self) -> Sequence[Undo]:
        """What undoes it, for whoever has to in this process's place."""

    @property
    def max_s(self) -> float:
        """How long it may last, healing included, before the watchdog ends it; seconds."""

    def inject(self) -> None:
        """Bring the failure about.

        Raises:
            ChaosP7Error: if it can't be done.
        """

    def verify(self) -> tuple[int, str]:
        """Observe that it took effect.

        Raises:
            NotVerifiedError: if nothing shows that it did.
        """
        ...

    def hold(self, over: Event) -> None:
        """Let it last, waiting in ``over.wait`` only, and see that it has.

        Args:
            over: set when the run has to end before its time: then return at once.

        Raises:
            NotVerifiedError: if it is gone, or can't be seen any more.
        """

    def heal(self) -> None:
        """Undo it; harmless when there is nothing to undo.

        Raises:
            ChaosP7Error: if it can't be done.
        """

    def verify_healed(self) -> tuple[int, str]:
        """Observe that it is undone.

        Raises:
            HealError: if it isn't.
        """
        ...


def inject_fault(kind: str, target: str, detail: Detail, fault_of: Callable[[Run], Fault]) -> str:
    """Carry a fault out in the current run, as an activity of Chaos Toolkit.

    Args:
        kind: the fault's name.
        target: the service or link.
        detail: its arguments, for the evidence.
        fault_of: makes the fault; raises if the platform hasn't got the target.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    record = FaultRecord(kind=kind, target=target, detail=detail)
    try:
        run = current_run()
        fault = fault_of(run)
        if isinstance(run, PlannedRun):
            run.planned.append((fault, record))
            return "not injected: only planned"
        if (made := _made.get()) is not None:
            made.append((fault, record))
            return "not injected: only made"
        over = run.ending.over
        if over.is_set():
            return "not injected: the run is being ended"
        run.faults.append(record)
        with run.close_up():
            carry_out(fault, record, run.fault_ledger(), run.id, over)
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return "; ".join(record.proof)


#: Where `made_by` collects what an action would carry out.
_made: ContextVar[list[tuple[Fault, FaultRecord]] | None] = ContextVar("made", default=None)


def made_by(action: Callable[[], str]) -> tuple[Fault, FaultRecord]:
    """Return the fault that an action would carry out in the current run; nothing is touched.

    Args:
        action: calls one of the actions, with its arguments.

    Raises:
        ConfigError: if the action injects no fault.
        ActivityFailed: if the platform hasn't got the target, or an argument is wrong.
    """
    made: list[tuple[Fault, FaultRecord]] = []
    token = _made.set(made)
    try:
        said = action()
    finally:
        _made.reset(token)
    if not made:
        raise ConfigError(f"no fault: {said}")
    return made[0]


def carry_out(
    fault: Fault,
    record: FaultRecord,
    ledger: FaultLedger,
    run: str,
    over: Event,
    now_ns: Callable[[], int] = time.monotonic_ns,
    cut_short: str = "cut short: the run was ended",
) -> FaultRecord:
    """Write a fault down, inject it, verify it, hold it, heal it, verify that.

    Args:
        fault: what to carry out.
        record: where to note each step; it belongs to the run already, so that a step that is
            interrupted leaves its trace.
        ledger: the fault ledger.
        run: the run's id.
        over: set when the run has to end before its time.
        now_ns: the monotonic clock.
        cut_short: what the evidence says if `over` was set.

    Returns:
        The record.

    Raises:
        FaultError: if a step failed; healing was tried all the same.
    """
    # As in the evidence: the verdict tells by it that an activity failed because this fault did.
    what = f"{record.kind} {record.target}"
    entry = ledger.open(run, fault.kind, fault.target, fault.undo, fault.max_s)
    try:
        record.injected_ns = now_ns()
        fault.inject()
        record.verified_start_ns, seen = fault.verify()
        record.proof.append(seen)
        logger.info("%s: %s", what, seen)
        _hold(fault, record, over)
        if over.is_set():
            record.proof.append(cut_short)
    except ChaosP7Error as error:
        record.error = str(error)
        raise _as_fault_error(what, error) from error
    finally:
        # Also after Ctrl-C in mid-fault: nothing that was injected may outlive its action.
        _heal(fault, record, what, now_ns)
        ledger.close(entry, "run")
    return record


def _hold(fault: Fault, record: FaultRecord, over: Event) -> None:
    try:
        fault.hold(over)
    except NotVerifiedError:
        record.lasted = False
        raise


def _heal(fault: Fault, record: FaultRecord, what: str, now_ns: Callable[[], int]) -> None:
    try:
        record.healed_ns = now_ns()
        fault.heal()
        record.verified_end_ns, seen = fault.verify_healed()
    except ChaosP7Error as error:
        record.error = f"{record.error}; {error}" if record.error else str(error)
        raise HealError(f"{what} can't be undone: {error}") from error
    record.proof.append(seen)
    logger.info("%s: %s", what, seen)


def _as_fault_error(what: str, error: ChaosP7Error) -> FaultError:
    kind = NotVerifiedError if isinstance(error, NotVerifiedError) else FaultError
    return kind(f"{what}: {error}")
