"""The account of a test's messages: figures to assert, and assertions that say what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from chaosp7.account.classes import MessageClass
from chaosp7.account.gold import GoldAccount
from chaosp7.errors import ConfigError, MeasurementError
from chaosp7.measure.count import Count
from chaosp7.measure.fate import why
from chaosp7.measure.losses import named
from chaosp7.measure.touched import WRONG
from chaosp7.measure.wording import fate, recovery_text
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import Evidence, TierReport
from chaosp7.run.in_time import in_time

__all__ = ["Account", "TierFigures"]


@dataclass(frozen=True, slots=True)
class TierFigures:
    """How many messages are in each class at one tier; see docs/definitions.md.

    Attributes:
        sent: what the ledger says was sent.
        delivered: there once, right, and in order.
        lost_here: of ``lost``, what the tier before it has.
    """

    tier: str
    sent: int
    delivered: int
    lost: Count
    late: Count
    corrupted: Count
    duplicated: Count
    reordered: Count
    unexpected: Count
    lost_here: int

    def wrong(self, kinds: Iterable[str] = WRONG) -> list[str]:
        """Return what isn't as it should be, in words; nothing if all is well."""
        return [count.why for kind in kinds if (count := getattr(self, kind))]


class Account:
    """What became of every message of a test at every tier. It is final: nothing is in flight any more.

    A figure without a tier is that of the worst one.

    Args:
        evidence: of the run.
        accounts: of its tiers.

    Attributes:
        evidence: everything that the account and the verdict rest on.
        tiers: the figures of each tier, in flow order.
    """

    def __init__(self, evidence: Evidence, accounts: Accounts) -> None:
        self.evidence = evidence
        self._accounts = accounts
        self.tiers = {report.tier: self._figures(report) for report in evidence.tiers}

    @property
    def sent(self) -> int:
        """Messages sent."""
        return max(tier.sent for tier in self.tiers.values())

    @property
    def lost(self) -> Count:
        """Messages that aren't there."""
        return self._worst("lost")

    @property
    def late(self) -> Count:
        """Messages that came only after the drain's deadline."""
        return self._worst("late")

    @property
    def corrupted(self) -> Count:
        """Messages with other business fields than were sent."""
        return self._worst("corrupted")

    @property
    def duplicated(self) -> Count:
        """Messages that are there more than once."""
        return self._worst("duplicated")

    @property
    def reordered(self) -> Count:
        """Messages that were visible after a higher sequence of their feed."""
        return self._worst("reordered")

    @property
    def unexpected(self) -> Count:
        """Messages that were never sent."""
        return self._worst("unexpected")

    @property
    def missed_at_source(self) -> int:
        """Of the lost ones, what no feed handler ever received."""
        return self.evidence.source_loss.get("missed_at_source", 0)

    @property
    def unacknowledged(self) -> int:
        """Of the lost ones, what a feed handler had received and the broker never confirmed."""
        return self.evidence.source_loss.get("unacknowledged", 0)

    def assert_nothing_lost(self, tier: str = "") -> None:
        """See that every message is there, and was before the drain's deadline.

        Args:
            tier: at this tier; empty: at all of them.

        Raises:
            AssertionError: if not; it says which messages, where, and what the broker knew.
            ConfigError: if there is no such tier.
        """
        __tracebackhide__ = True
        self._refuse(text for one in self._chosen(tier) for text in one.wrong(("lost", "late")))

    def assert_no_acknowledged_loss(self) -> None:
        """See that nothing is lost that the broker had confirmed, or of which nobody knows.

        An exchange doesn't send again: what a feed handler's crash costs is left out.

        Raises:
            AssertionError: if something is.
        """
        __tracebackhide__ = True
        self._refuse(text for one in self.tiers.values() for text in self._acknowledged_loss(one))

    def assert_delivered(self, tier: str = "") -> None:
        """See that every message is there once, right, and in order, and nothing else is.

        Args:
            tier: at this tier; empty: at all of them.

        Raises:
            AssertionError: if not; it says which messages, where, and what the broker knew.
            ConfigError: if there is no such tier.
        """
        __tracebackhide__ = True
        self._refuse(text for one in self._chosen(tier) for text in one.wrong())

    def assert_recovered_within(self, budget_s: float) -> None:
        """See that every tier was fresh again in time after each fault, the uncertainty included.

        Args:
            budget_s: seconds from the moment when the fault was seen to take effect.

        Raises:
            AssertionError: if one wasn't.
            MeasurementError: if there was no fault, or nobody watched for long enough to tell.
        """
        __tracebackhide__ = True
        if not self.evidence.recovery:
            raise MeasurementError("no fault was injected: there is nothing to recover from")
        measured = {(report.fault, report.tier) for report in self.evidence.recovery}
        for index, fault in enumerate(self.evidence.faults):
            if missing := [tier for tier in self.tiers if (index, tier) not in measured]:
                what = f"{fault.kind} {fault.target}"
                raise MeasurementError(f"recovery from {what} wasn't measured at {', '.join(missing)}")
        late = []
        for report in self.evidence.recovery:
            told = in_time(report, budget_s)
            if told is None:
                raise MeasurementError(
                    f"{report.tier}: nobody can tell whether it was fresh again within {budget_s:g} s; "
                    "it wasn't watched for long enough (settle_s is too short) or too rarely"
                )
            if not told:
                fault = self.evidence.faults[report.fault]
                late.append(recovery_text(report, fault, self.evidence.clock, budget_s))
        self._refuse(late)

    def assert_within_budget(self) -> None:
        """See that the run's verdict is ``passed``: everything is within the budget that it was given.

        Raises:
            AssertionError: if not, with every reason, and with the messages in question.
        """
        __tracebackhide__ = True
        if self.evidence.verdict != "passed":
            self._refuse([self.explained()])

    def explained(self) -> str:
        """Return the verdict, its reasons, and the messages in question, in words."""
        wrong = [text for tier in self.tiers.values() for text in tier.wrong()]
        limit = self.evidence.budget.recovery_s
        late = [
            recovery_text(report, self.evidence.faults[report.fault], self.evidence.clock, limit)
            for report in self.evidence.recovery
            if limit is not None and (report.recovery_s or 0.0) + report.uncertainty_s > limit
        ]
        return "\n".join([f"{self.evidence.verdict}: {'; '.join(self.evidence.reasons)}", *wrong, *late])

    def _chosen(self, tier: str) -> Sequence[TierFigures]:
        if tier and tier not in self.tiers:
            raise ConfigError(f"unknown tier {tier!r}; there are: {', '.join(self.tiers)}")
        return [self.tiers[tier]] if tier else list(self.tiers.values())

    def _acknowledged_loss(self, tier: TierFigures) -> Iterator[str]:
        found = [
            one
            for one in named(self._accounts, tier.tier, MessageClass.LOST)
            if one.cause in ("acknowledged", "unattributed")
        ]
        # Candles name no messages, but what they lack and the tier before them has was confirmed.
        candles = isinstance(self._accounts.tiers[tier.tier], GoldAccount)
        if count := tier.lost_here if candles else sum(one.messages for one in found):
            yield fate(tier.tier, "lost", count, tier.sent, found, self.evidence.clock)
        yield from tier.wrong(("late",))

    def _worst(self, kind: str) -> Count:
        # The first of the worst: the tiers after it inherit its losses.
        counts: list[Count] = [getattr(tier, kind) for tier in self.tiers.values()]
        return max(counts)

    def _figures(self, report: TierReport) -> TierFigures:
        def count(kind: str) -> Count:
            value: int = getattr(report, kind)
            return Count(
                value, partial(why, self._accounts, report.tier, kind, self.evidence.clock, report.note)
            )

        return TierFigures(
            tier=report.tier,
            sent=report.sent,
            delivered=report.delivered,
            lost=count("lost"),
            late=count("late"),
            corrupted=count("corrupted"),
            duplicated=count("duplicated"),
            reordered=count("reordered"),
            unexpected=count("unexpected"),
            lost_here=report.lost_here,
        )

    @staticmethod
    def _refuse(wrong: Iterable[str]) -> None:
        __tracebackhide__ = True
        if text := "\n".join(wrong):
            raise AssertionError(text)
