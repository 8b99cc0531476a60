"""From a finished run's ledger and tiers to its reports: account, attribution, recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from confluent_kafka import TopicPartition

from chaosp7.account.account import account_tier
from chaosp7.account.acks import AckSets, read_acks
from chaosp7.account.attribution import Attribution, attribute
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Ledger
from chaosp7.account.ranges import locate
from chaosp7.account.readers.table import TableReader
from chaosp7.account.readers.topic_account import TopicReader
from chaosp7.account.sent import Expected, RunRecords, expected
from chaosp7.errors import MeasurementError
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.source import Source
from chaosp7.recorder.timeline import Timeline
from chaosp7.recovery.freshness import replay
from chaosp7.recovery.recovery import measure
from chaosp7.run.evidence import FaultRecord, LostRange, RecoveryReport, TierReport

__all__ = ["Accounting", "Accounts", "recovery_reports", "tier_reports"]

_RANGES_NAMED = 50
_QUERY_TIMEOUT_S = 60.0
_STABILITY_NS = 2_000_000_000

#: The topic's reader may need its longest reconnect back-off before it sees a broker again.
_TOPIC_RECONNECT_NS = 20_000_000


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of all tiers, in flow order, and who lost what."""

    run: RunRecords
    tiers: dict[str, TierAccount]
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class Accounting:
    """Reads the tiers of one run.

    Attributes:
        platform: the system under test.
        bootstrap: the broker's direct listener.
        starts: topic, partition and offset where the run begins.
        clickhouse: host and port of ClickHouse, past all links.
        acks: journals of the feed handlers.
    """

    platform: Platform
    bootstrap: str
    starts: Sequence[TopicPartition]
    clickhouse: tuple[str, int]
    acks: Sequence[Path]

    def read(self, ledger: Path, until_ns: int | None = None) -> Accounts:
        """Account for every message at every tier.

        Args:
            ledger: what was sent.
            until_ns: while the load runs: only messages sent before this moment.

        Raises:
            MeasurementError: if anything can't be read.
        """
        run = RunRecords.of(Ledger.open(ledger, allow_unclosed=until_ns is not None))
        sent = expected(run, until_ns)
        tiers = {name: self._tier(name, run, sent) for name in self.platform.tiers}
        attribution = attribute(list(tiers.values()), self._journals(sent), sent.unreached)
        return Accounts(run, tiers, attribution)

    def _tier(self, name: str, run: RunRecords, sent: Expected) -> TierAccount:
        tier = self.platform.tiers[name]
        if tier.kind is TierKind.TOPIC:
            topic = TopicReader(self.bootstrap, self.platform.topics, self.starts)
            reading = topic.read(sent)
            return account_tier(
                name,
                run,
                sent,
                reading.digests,
                partial(topic.rows, reading.digests),
                reordered=reading.reordered,
                unidentified_rows=reading.unidentified,
                keys_at_once=None,
            )
        if tier.kind is TierKind.TABLE:
            table = TableReader(ClickHouse(*self.clickhouse, timeout_s=_QUERY_TIMEOUT_S).columns, tier.rows)
            digests = table.digests(sent.table())
            return account_tier(name, run, sent, digests, partial(table.rows, digests.feeds))
        raise MeasurementError(f"{name}: tiers of kind {tier.kind} can't be accounted for yet")

    def _journals(self, sent: Expected) -> dict[Feed, AckSets]:
        bounds = {feed: (b.first, b.last) for feed, b in sent.bounds.items()}
        journals: dict[Feed, AckSets] = {}
        for path in self.acks:
            journals |= read_acks(path, bounds)
        return journals


def tier_reports(accounts: Accounts, drained: Sequence[str]) -> list[TierReport]:
    """Return the account as the evidence holds it.

    Args:
        accounts: of all tiers.
        drained: the tiers that had come to rest.
    """
    reports = []
    for loss, (name, account) in zip(accounts.attribution.tiers, accounts.tiers.items(), strict=True):
        counts = account.counts
        located, left_out = locate(accounts.run, account.lost, _RANGES_NAMED)
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
                lost_here=sum(len(found) for found in loss.lost_here.values()),
                drained=name in drained,
                ranges=[
                    LostRange(
                        feed=str(r.feed),
                        first=r.range.first,
                        last=r.range.last,
                        sent_first_ns=r.sent_first_ns,
                        sent_last_ns=r.sent_last_ns,
                        first_missing_at=accounts.attribution.first_missing_at(r.feed, r.range.first) or name,
                    )
                    for r in located
                ],
                ranges_left_out=left_out,
            )
        )
    return reports


def recovery_reports(
    platform: Platform,
    timelines: Mapping[str, Timeline],
    source: Source,
    accounts: Accounts,
    fault: FaultRecord,
    load_end_ns: int,
) -> list[RecoveryReport]:
    """Return each tier's recovery from a fault.

    Args:
        platform: the system under test, with the tiers' tolerances.
        timelines: what became visible when.
        source: when it was sent.
        accounts: what is lost for good holds no head back.
        fault: with its verified start.
        load_end_ns: when the load ended.
    """
    reports = []
    for name, timeline in timelines.items():
        tier = platform.tiers[name]
        lost = accounts.tiers[name].lost
        looks = list(replay(timeline.samples, source.sends, lost, source.start_ns, load_end_ns))
        extra_ns = _TOPIC_RECONNECT_NS if tier.kind is TierKind.TOPIC else 0
        found = measure(
            looks,
            source.sends,
            fault.verified_start_ns or 0,
            load_end_ns,
            tier.fresh_within_ms * 1_000_000,
            _STABILITY_NS,
            extra_ns,
        )
        gaps_ms = [(b.after_ns - a.after_ns) / 1e6 for a, b in pairwise(looks)] or [0.0]
        reports.append(
            RecoveryReport(
                tier=name,
                outcome=found.outcome,
                tolerance_ms=tier.fresh_within_ms,
                recovery_s=_seconds(found.recovery_ns),
                uncertainty_s=found.uncertainty_ns / 1e9,
                detection_s=_seconds(found.detection_ns),
                outage_s=found.outage_ns / 1e9,
                first_new_s=_seconds(found.first_new_ns),
                backlog_gone_s=_seconds(found.backlog_gone_ns),
                samples=found.looks,
                interval_ms={"median": median(gaps_ms), "max": max(gaps_ms)},
            )
        )
    return reports


def _seconds(time_ns: int | None) -> float | None:
    return None if time_ns is None else time_ns / 1e9
