"""What every fault is: five steps, carried out in one order, each noted with its time.

A fault that was injected is always healed, whatever happens in between; that it took effect and
that it is gone again is observed, never assumed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from chaosp7.errors import ChaosP7Error, FaultError, HealError, NotVerifiedError
from chaosp7.run.evidence import FaultRecord

__all__ = ["Fault", "carry_out"]

logger = logging.getLogger("chaostoolkit")


class Fault(Protocol):
    """One failure that can be injected, observed and undone.

    Steps that observe return what they saw, in words, and the moment when they saw it
    (monotonic nanoseconds), or raise.
    """

    kind: str
    target: str

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

    def hold(self) -> None:
        """Let it last."""

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


def carry_out(
    fault: Fault, record: FaultRecord, now_ns: Callable[[], int] = time.monotonic_ns
) -> FaultRecord:
    """Inject a fault, verify it, hold it, heal it, verify that; note each step in its record.

    Args:
        fault: what to carry out.
        record: where to note it; it belongs to the run already, so that a step that is
            interrupted leaves its trace.
        now_ns: the monotonic clock.

    Returns:
        The record.

    Raises:
        FaultError: if a step failed; healing was tried all the same.
    """
    what = f"{fault.kind} {fault.target}"
    try:
        record.injected_ns = now_ns()
        fault.inject()
        record.verified_start_ns, seen = fault.verify()
        record.proof.append(seen)
        logger.info("%s: %s", what, seen)
        fault.hold()
    except ChaosP7Error as error:
        record.error = str(error)
        raise _as_fault_error(what, error) from error
    finally:
        # Also after Ctrl-C in mid-fault: nothing that was injected may outlive its action.
        _heal(fault, record, what, now_ns)
    return record


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
