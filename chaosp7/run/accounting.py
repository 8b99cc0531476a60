"""From a finished run's ledger and tiers to the account of its messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosp7.account.account import account_tier
from chaosp7.account.attribution import Attribution, attribute
from chaosp7.account.candles import Candles
from chaosp7.account.classes import TierAccount, with_late
from chaosp7.account.gold import GoldAccount, account_gold, gold_with_late
from chaosp7.account.gold_expectation import expect_gold
from chaosp7.account.ledger import Ledger
from chaosp7.account.readers.candles import CandleReader
from chaosp7.account.readers.table import TableReader
from chaosp7.account.readers.topic_account import TopicReader, account_topic
from chaosp7.account.sent import Expected, RunRecords, expected
from chaosp7.account.sets import Sets, minus, total, union
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import IcebergSource, Platform, TierKind
from chaosp7.run.origin import Origin

if TYPE_CHECKING:
    from pyiceberg.table import Table


__all__ = ["Accounting", "Accounts"]

logger = logging.getLogger("chaostoolkit")

_QUERY_TIMEOUT_S = 60.0

#: How long after the drain what is missing is looked for once more.
_LATE_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of all tiers, in flow order, and who lost what."""

    run: RunRecords
    tiers: dict[str, TierAccount | GoldAccount]
    attribution: Attribution

    @property
    def could_still_come(self) -> int:
        """Messages lost somewhere although a handler had received them."""
        missing = self._lost_besides([loss.missed_at_source for loss in self.attribution.tiers])
        return max(missing, self._lost_by_candles)

    @property
    def whole(self) -> bool:
        """Whether every tier has all that the broker had confirmed."""
        excused = [s for loss in self.attribution.tiers for s in (loss.missed_at_source, loss.unacknowledged)]
        return not self._lost_besides(excused) and not self._lost_by_candles

    @property
    def _lost_by_candles(self) -> int:
        gold = (account.lost_here for account in self.tiers.values() if isinstance(account, GoldAccount))
        return max(gold, default=0)

    def _lost_besides(self, excused: Sequence[Sets]) -> int:
        accounts = (a for a in self.tiers.values() if isinstance(a, TierAccount))
        return max(total(minus(account.lost, union(excused))) for account in accounts)

    def lost(self, tier: str) -> Sets:
        """Return what a tier has lost; of a tier of candles, what it can't have got.

        Candles are made from the last tier of messages before them, and a copy of candles belongs right
        after them: what a tier of messages in between has lost may be in the copy.
        """
        return next(a.lost for a in self._upwards(tier) if isinstance(a, TierAccount))

    def _upwards(self, tier: str) -> Iterator[TierAccount | GoldAccount]:
        names = list(self.tiers)
        return (self.tiers[name] for name in reversed(names[: names.index(tier) + 1]))


@dataclass(frozen=True, slots=True)
class _Candles:
    """A candle tier's candles, and the account of the tier that they are made from."""

    upstream: TierAccount | None
    found: Mapping[int, Candles]


@dataclass(frozen=True, slots=True)
class Accounting:
    """Reads the tiers of one run.

    Attributes:
        platform: the system under test.
        bootstrap: the broker's direct listener.
        clickhouse: host and port of ClickHouse, past all links.
        origin: where the run begins.
    """

    platform: Platform
    bootstrap: str
    clickhouse: tuple[str, int]
    origin: Origin

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
        tiers: dict[str, TierAccount | GoldAccount] = {}
        before: TierAccount | None = None
        candles: dict[str, _Candles] = {}
        for name, tier in self.platform.tiers.items():
            if not tier.windows_s:
                tiers[name] = before = self._messages(name, run, sent)
                continue
            original = candles.get(self.platform.copies.get(name, ""))
            upstream = before if original is None else original.upstream
            expectation = expect_gold(run, sent, tier.windows_s, upstream)
            expectation.check_read_from(self.origin.candles.since_s)
            candles[name] = _Candles(upstream, self._candles(name))
            tiers[name] = account_gold(
                name,
                expectation,
                candles[name].found,
                self.origin.candles.candles[name],
                None if original is None else original.found,
            )
        accounts = [account for account in tiers.values() if isinstance(account, TierAccount)]
        return Accounts(
            run, tiers, attribute(accounts, self.origin.journals.read(sent, accounts), sent.unreached)
        )

    def read_late(self, ledger: Path, at_deadline: Accounts) -> Accounts:
        """Account again after the drain: what was missing then and is there now came too late.

        Args:
            ledger: what was sent.
            at_deadline: the account when the drain was over.

        Raises:
            MeasurementError: if anything can't be read.
        """
        again = self.read(ledger)
        tiers: dict[str, TierAccount | GoldAccount] = {}
        for name, account in again.tiers.items():
            before = at_deadline.tiers[name]
            if isinstance(account, TierAccount) and isinstance(before, TierAccount):
                account = with_late(account, before.lost)  # noqa: PLW2901
            if isinstance(account, GoldAccount) and isinstance(before, GoldAccount):
                account = gold_with_late(account, before)  # noqa: PLW2901
            tiers[name] = account
        return replace(again, tiers=tiers)

    def read_at_rest(self, ledger: Path) -> Accounts:
        """Account after the drain, and once more after a while if messages are missing that could come.

        Args:
            ledger: what was sent.

        Raises:
            MeasurementError: if anything can't be read.
        """
        accounts = self.read(ledger)
        if accounts.could_still_come:
            logger.info(
                "%s messages are missing; looking again after %g s for what comes late",
                f"{accounts.could_still_come:,}",
                _LATE_AFTER_S,
            )
            time.sleep(_LATE_AFTER_S)
            accounts = self.read_late(ledger, accounts)
        return accounts

    def _messages(self, name: str, run: RunRecords, sent: Expected) -> TierAccount:
        tier = self.platform.tiers[name]
        if tier.kind is TierKind.TOPIC:
            topic = TopicReader(self.bootstrap, self.platform.topics, self.origin.offsets_now(self.bootstrap))
            return account_topic(name, topic, run, sent)
        if tier.kind is TierKind.ICEBERG:
            return self._iceberg(name, run, sent)
        table = TableReader(self._query, tier.all_rows, self.origin.strays.get(name, ()))
        digests = table.digests(sent.table())
        # They are like what no run has sent, and came during this one.
        more_strays = table.more_strays()
        rows = partial(table.rows, digests.feeds)
        runs, pieces = partial(table.runs, first=digests.first), partial(table.pieces, first=digests.first)
        return account_tier(
            name, run, sent, digests, rows, unidentified_rows=more_strays, runs=runs, pieces=pieces
        )

    def _iceberg(self, name: str, run: RunRecords, sent: Expected) -> TierAccount:
        from chaosp7.account.readers.iceberg import IcebergReader  # noqa: PLC0415  # as below

        table, source = self._iceberg_table(name)
        reader = IcebergReader(table, source, self.origin.icebergs[name].number_in(table))
        digests = reader.digests(sent.table())
        return account_tier(
            name,
            run,
            sent,
            digests,
            partial(reader.rows, digests),
            unidentified_rows=reader.nameless,
            keys_at_once=None,
        )

    def _candles(self, name: str) -> Mapping[int, Candles]:
        tier = self.platform.tiers[name]
        if tier.kind is TierKind.ICEBERG_CANDLES:
            from chaosp7.account.readers.iceberg_candles import IcebergCandleReader  # noqa: PLC0415

            table, source = self._iceberg_table(name)
            return IcebergCandleReader(table, source, tier.windows_s).read(self.origin.candles.since_s)
        return CandleReader(self._query, tier.all_rows, tier.windows_s).read(self.origin.candles.since_s)

    def _iceberg_table(self, name: str) -> tuple[Table, IcebergSource]:
        # PyIceberg is an extra, and takes a second to load.
        from chaosp7.platform.iceberg import open_catalog, opened  # noqa: PLC0415

        source = self.origin.icebergs[name].source
        return opened(open_catalog(source.catalog), source.table), source

    @property
    def _query(self) -> Callable[[str, int], Sequence[Any]]:
        return ClickHouse(*self.clickhouse, timeout_s=_QUERY_TIMEOUT_S).columns
