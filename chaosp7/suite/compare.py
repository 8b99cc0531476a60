"""Two runs, or two groups of runs of one experiment, side by side. Pure.

A side's recovery is an interval, from the fastest run less its uncertainty to the slowest plus its own.
Two sides differ if their intervals have nothing in common; with one run a side that says nothing of
how much runs scatter. Only runs that were carried out to their end have figures; of the others there is
the verdict.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from chaosp7.run.evidence import Evidence
from chaosp7.suite.saved import CARRIED_OUT, Kept, recoveries

__all__ = ["WRONG", "Comparison", "Side", "TierComparison", "compare"]

#: What may be wrong with messages that aren't lost, by the names of `Side`.
WRONG = ("duplicated", "reordered", "corrupted", "unexpected")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side's figures at one tier; None where nothing was measured, or it didn't recover.

    Attributes:
        n: runs whose recovery was measured.
        recovery_s: the median.
        low_s: the fastest less its uncertainty.
        high_s: the slowest plus its uncertainty; None if one didn't recover.
        lost: the most in one run, late ones counted in; None where nothing was accounted for.
        late: of all runs the most that came only after the drain; so are the others of each class.
    """

    n: int
    recovery_s: float | None
    low_s: float | None
    high_s: float | None
    lost: int | None
    late: int | None
    duplicated: int | None
    reordered: int | None
    corrupted: int | None
    unexpected: int | None


class TierComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One tier.

    Attributes:
        change: ``slower``, ``faster``, ``no difference shown`` or ``not measured``.
    """

    tier: str
    one: Side
    other: Side
    change: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment; a side without runs has no verdicts.

    Attributes:
        differs: in what else they differ, so that figures may not be comparable.
    """

    experiment: str
    verdicts: list[str]
    other_verdicts: list[str]
    tiers: list[TierComparison]
    differs: list[str]


def compare(one: Sequence[Kept], other: Sequence[Kept]) -> list[Comparison]:
    """Return each experiment of two sides, in the first side's order.

    Args:
        one: runs of any experiments.
        other: those that they are compared with.
    """
    names = dict.fromkeys(run.experiment for run in (*one, *other))
    return [_experiment(n, *([r for r in side if r.experiment == n] for side in (one, other))) for n in names]


def _experiment(name: str, one: Sequence[Kept], other: Sequence[Kept]) -> Comparison:
    tiers = dict.fromkeys(t.tier for run in (*one, *other) if run.evidence for t in run.evidence.tiers)
    mine, theirs = (
        [run.evidence for run in side if run.evidence and run.verdict in CARRIED_OUT] for side in (one, other)
    )
    return Comparison(
        experiment=name,
        verdicts=[run.verdict for run in one],
        other_verdicts=[run.verdict for run in other],
        tiers=[_tier(tier, _side(tier, mine), _side(tier, theirs)) for tier in tiers],
        differs=list(_differences(mine, theirs)) if mine and theirs else [],
    )


def _side(tier: str, runs: Sequence[Evidence]) -> Side:
    found = [recovery[tier] for run in runs if tier in (recovery := recoveries(run))]
    accounts = [t for run in runs for t in run.tiers if t.tier == tier]
    whole = found and max(one.seconds for one in found) != float("inf")
    finite = [one for one in found if one.seconds != float("inf")]
    middle = statistics.median(one.seconds for one in found) if found else None
    return Side(
        n=len(found),
        recovery_s=None if middle == float("inf") else middle,
        low_s=min((one.low_s for one in finite), default=None),
        high_s=max(one.high_s for one in found) if whole else None,
        lost=max((t.lost + t.late for t in accounts), default=None),
        **{kind: max((getattr(t, kind) for t in accounts), default=None) for kind in ("late", *WRONG)},
    )


def _tier(name: str, one: Side, other: Side) -> TierComparison:
    if not one.n or not other.n:
        change = "not measured"
    elif one.high_s is not None and (other.low_s is None or other.low_s > one.high_s):
        change = "slower"
    elif other.high_s is not None and (one.low_s is None or one.low_s > other.high_s):
        change = "faster"
    else:
        change = "no difference shown"
    return TierComparison(tier=name, one=one, other=other, change=change)


def _differences(one: Sequence[Evidence], other: Sequence[Evidence]) -> list[str]:
    found = []
    for what, of in (
        ("platform", lambda r: r.platform),
        ("rate per second", lambda r: r.load.rate_per_s if r.load else None),
        ("processor", lambda r: f"{r.environment.cores} x {r.environment.cpu}"),
        ("chaosp7", lambda r: r.environment.chaosp7),
    ):
        mine, theirs = ({str(of(run)) for run in side} for side in (one, other))
        if mine != theirs:
            found.append(f"{what}: {', '.join(sorted(mine))} and {', '.join(sorted(theirs))}")
    return found
