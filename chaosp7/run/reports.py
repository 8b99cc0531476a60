"""A run's account and timelines as the evidence holds them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from statistics import median

from chaosp7.account.attribution import Attribution
from chaosp7.account.classes import TierAccount
from chaosp7.account.gold import GoldAccount
from chaosp7.account.ranges import LocatedRange, locate
from chaosp7.account.sets import total
from chaosp7.platform.model import Platform, Tier, TierKind
from chaosp7.recorder.source import Source
from chaosp7.recorder.timeline import Timeline
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.recovery import Outcome, TierRecovery, measure
from chaosp7.recovery.spans import Figure
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import FaultRecord, LoadReport, LostRange, RecoveryReport, TierReport
from chaosp7.run.load import Load, LoadStatus
from chaosp7.run.outage import own_end_ns

__all__ = ["load_report", "recovery_reports", "tier_reports"]

_RANGES_NAMED = 50
_STABILITY_NS = 2_000_000_000

#: The topic's reader may need its longest reconnect back-off before it sees a broker again.
_TOPIC_RECONNECT_NS = 20_000_000


def load_report(load: Load, status: LoadStatus) -> LoadReport:
    """Return the load as the evidence holds it; one that still runs ends now."""
    return LoadReport(
        messages=status.sent,
        rate_per_s=load.rate_per_s,
        seed=load.seed,
        start_ns=status.start_ns,
        end_ns=status.end_ns or time.monotonic_ns(),
        late_ms=status.late_ms,
    )


def tier_reports(accounts: Accounts, drained: Sequence[str]) -> list[TierReport]:
    """Return the account as the evidence holds it.

    Args:
        accounts: of all tiers.
        drained: the tiers that had come to rest.
    """
    lost_here = {loss.tier: total(loss.lost_here) for loss in accounts.attribution.tiers}
    reports = []
    for name, account in accounts.tiers.items():
        counts = account.counts
        ranges: list[LostRange] = []
        left_out = 0
        if isinstance(account, TierAccount):
            located, left_out = locate(accounts.run, account.lost, _RANGES_NAMED)
            ranges = [_lost_range(r, accounts.attribution, name) for r in located]
        reports.append(
            TierReport(
                tier=name,
                sent=counts.sent,
                delivered=counts.delivered,
                lost=counts.lost,
                duplicated=counts.duplicated,
                reordered=counts.reordered,
                corrupted=counts.corrupted,
                late=counts.late,
                unexpected=counts.unexpected,
                lost_here=account.lost_here if isinstance(account, GoldAccount) else lost_here[name],
                drained=name in drained,
                note=_note(account),
                ranges=ranges,
                ranges_left_out=left_out,
            )
        )
    return reports


def _lost_range(found: LocatedRange, attribution: Attribution, tier: str) -> LostRange:
    return LostRange(
        feed=str(found.feed),
        first=found.range.first,
        last=found.range.last,
        sent_first_ns=found.sent_first_ns,
        sent_last_ns=found.sent_last_ns,
        first_missing_at=attribution.first_missing_at(found.feed, found.range.first) or tier,
    )


def _note(account: TierAccount | GoldAccount) -> str:
    """Return what limits the account at a tier, in words."""
    if isinstance(account, TierAccount):
        return ""
    lengths = ", ".join(str(window.window_s) for window in account.windows)
    note = f"counted by candles of {lengths} s: of each class the length that shows most"
    missing = max(window.earlier_missing for window in account.windows)
    changed = max(window.earlier_changed for window in account.windows)
    if missing or changed:
        note += f"; of earlier runs {missing} trades are gone and {changed} candles changed"
    return note


def recovery_reports(
    platform: Platform,
    timelines: Mapping[str, Timeline],
    source: Source,
    accounts: Accounts,
    faults: Sequence[FaultRecord],
    load_end_ns: int,
    only: Collection[str] | None = None,
) -> list[RecoveryReport]:
    """Return each tier's recovery from each fault that was seen to take effect.

    Args:
        platform: the system under test, with the tiers' tolerances.
        timelines: what became visible when.
        source: when it was sent.
        accounts: what is lost for good holds no head back.
        faults: the run's.
        load_end_ns: when the load ended.
        only: the exchanges whose feeds count; None: all.
    """
    reports = []
    for name, timeline in timelines.items():
        tier, lost = platform.tiers[name], accounts.lost(name)
        looks = list(
            replay(timeline.samples, source.sends, lost, source.start_ns, tier.fresh_within_ns, only)
        )
        for index, fault in enumerate(faults):
            if fault.verified_start_ns is not None:
                found = _recovery(tier, looks, source, faults, index, load_end_ns)
                since = [look for look in looks if look.after_ns >= fault.verified_start_ns]
                reports.append(_report(index, name, tier, since, found))
    return sorted(reports, key=lambda report: report.fault)


def _recovery(
    tier: Tier,
    looks: Sequence[Look],
    source: Source,
    faults: Sequence[FaultRecord],
    index: int,
    load_end_ns: int,
) -> TierRecovery:
    """Measure up to the next fault; a tier that hasn't recovered by then goes on being measured.

    What the next fault adds counts for this one then: the stated time is never too short.
    """
    for end_ns in (own_end_ns(faults, index, load_end_ns), load_end_ns):
        found = measure(
            looks,
            source.sends,
            faults[index].verified_start_ns or 0,
            end_ns,
            tier.fresh_within_ns,
            _STABILITY_NS,
            _TOPIC_RECONNECT_NS if tier.kind is TierKind.TOPIC else 0,
        )
        if found.outcome in (Outcome.RECOVERED, Outcome.NEVER_STALE):
            break
    return found


def _report(fault: int, name: str, tier: Tier, since: Sequence[Look], found: TierRecovery) -> RecoveryReport:
    gaps_ms = [(b.after_ns - a.after_ns) / 1e6 for a, b in pairwise(since)] or [0.0]
    return RecoveryReport(
        fault=fault,
        tier=name,
        outcome=found.outcome,
        tolerance_ms=tier.fresh_within_ms,
        recovery_s=_value_s(found.recovery),
        uncertainty_s=found.uncertainty_ns / 1e9,
        detection_s=_value_s(found.detection),
        detection_uncertainty_s=_uncertainty_s(found.detection),
        last_stale_s=None if found.last_stale_ns is None else found.last_stale_ns / 1e9,
        outage_s=found.outage.value_ns / 1e9,
        outage_uncertainty_s=found.outage.uncertainty_ns / 1e9,
        first_new_s=_value_s(found.first_new),
        first_new_uncertainty_s=_uncertainty_s(found.first_new),
        backlog_gone_s=_value_s(found.backlog_gone),
        backlog_gone_uncertainty_s=_uncertainty_s(found.backlog_gone),
        unproven_s=found.unproven_ns / 1e9,
        samples=found.looks,
        interval_ms={"median": median(gaps_ms), "max": max(gaps_ms)},
    )


def _value_s(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value_ns / 1e9


def _uncertainty_s(figure: Figure | None) -> float | None:
    return None if figure is None else figure.uncertainty_ns / 1e9
