"""The four to six numbers at the top of a page, each with its unit and what it rests on. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaosp7.report.records import RunRecord
from chaosp7.report.sentences import plural
from chaosp7.report.stats import at_source, lost_beyond_source, quantile, recovery_of_run_s
from chaosp7.run.verdict import Verdict

__all__ = ["Figure", "figures"]

_WRONG = ("duplicated", "corrupted", "reordered", "unexpected")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number for people.

    Attributes:
        value: the number, or a dash.
        unit: what it counts.
        label: what it is.
        basis: what it rests on.
        mood: ``good``, ``bad`` or nothing.
    """

    value: str
    unit: str
    label: str
    basis: str
    mood: str = ""


def figures(runs: Sequence[RunRecord]) -> list[Figure]:
    """Return the figures of some runs."""
    passed = sum(run.verdict is Verdict.PASSED for run in runs)
    found = [
        Figure(
            f"{passed:,}", f"of {plural(len(runs), 'run')}", "passed",
            plural(len({run.experiment for run in runs}), "experiment"),
            "good" if runs and passed == len(runs) else "bad",
        )
    ]  # fmt: skip
    return [*found, *_recovery(runs), *_account(runs), _faults(runs)]


def _recovery(runs: Sequence[RunRecord]) -> list[Figure]:
    times = [t for run in runs if (t := recovery_of_run_s(run.evidence)) is not None]
    if not times:
        return [Figure("-", "", "recovery", "not measured in any run")]
    most = max(times)
    basis = f"n = {len(times)}"
    if len(times) > 1:
        middle, high = (_seconds(quantile(times, share)) for share in (0.5, 0.95))
        basis = f"median {middle}, 95 % {high}, {basis}"
    if math.isinf(most):
        return [Figure("never", "", "slowest recovery", basis, "bad")]
    return [Figure(f"{most:.2f}", "s", "slowest recovery", basis)]


def _seconds(time_s: float) -> str:
    return "never" if math.isinf(time_s) else f"{time_s:.2f} s"


def _account(runs: Sequence[RunRecord]) -> list[Figure]:
    accounted = [run.evidence for run in runs if run.evidence and run.evidence.tiers]
    if not accounted:
        return [Figure("-", "", "lost messages", "no message was accounted for", "bad")]
    sent = sum(e.load.messages if e.load else e.tiers[0].sent for e in accounted)
    basis = f"of {sent:,} sent, n = {len(accounted)}"
    lost = sum(lost_beyond_source(e) or 0 for e in accounted)
    source = sum(map(at_source, accounted))
    wrong = sum(max(getattr(t, kind) for t in e.tiers) for e in accounted for kind in _WRONG)
    return [
        Figure(f"{lost:,}", "messages", "lost", basis, "bad" if lost else "good"),
        Figure(f"{source:,}", "messages", "never confirmed", "not received, or not by the broker"),
        Figure(f"{wrong:,}", "messages", "doubled or damaged", basis, "bad" if wrong else "good"),
    ]


def _faults(runs: Sequence[RunRecord]) -> Figure:
    faults = [fault for run in runs if run.evidence for fault in run.evidence.faults]
    proven = sum(None not in (f.verified_start_ns, f.verified_end_ns) and f.lasted for f in faults)
    if not faults:
        return Figure("0", "faults", "injected", "none was asked for, or none began")
    return Figure(
        f"{proven:,}", f"of {plural(len(faults), 'fault')}", "proven and undone",
        "seen to take effect, to last and to be gone", "good" if proven == len(faults) else "bad",
    )  # fmt: skip
