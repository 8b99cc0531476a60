"""The exit codes of ``chaosp7 run``: one per verdict, the gravest of the suite decides."""

from __future__ import annotations

from collections.abc import Sequence

from chaosp7.run.verdict import Verdict

__all__ = ["EXIT_CODES", "gravest"]

#: 1 is a mistake of chaosp7's own, 2 bad usage.
EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.ERROR: 10,
    Verdict.INTERRUPTED: 11,
    Verdict.ABORTED: 12,
    Verdict.BASELINE_NOT_MET: 13,
    Verdict.FAULT_NOT_VERIFIED: 14,
    Verdict.HEAL_FAILED: 15,
    Verdict.DRAIN_TIMEOUT: 16,
    Verdict.DEVIATED: 17,
}


def gravest(verdicts: Sequence[str | None], *, interrupted: bool = False) -> Verdict:
    """Return the verdict of a suite.

    Args:
        verdicts: of its runs; None for one that never began. Nothing tested is never passed.
        interrupted: whether it was ended from outside. A Ctrl-C that came too late has ended nothing.
    """
    found = {Verdict(verdict) for verdict in verdicts if verdict is not None}
    if interrupted and None in verdicts:
        found.add(Verdict.INTERRUPTED)
    if not found or (None in verdicts and found == {Verdict.PASSED}):
        return Verdict.ERROR
    return next(verdict for verdict in Verdict if verdict in found)
