"""Before the load: rows in tables that would pass for the run's own.

Earlier runs leave rows behind that no run has sent: a damaged sequence, a symbol of nobody. They stay in
their table, and would be unexpected in each later run, or hide that the message with their number is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.account.readers.table import TableReader
from chaosp7.account.readers.table_rows import Query, StrayRow, TableRows
from chaosp7.errors import MeasurementError
from chaosp7.platform.model import Platform, TierKind

__all__ = ["STRAYS_MAX", "strays_before", "without_strays"]

logger = logging.getLogger("chaostoolkit")

#: Unlike rows of either kind that are left out of every query. The recorder names those of the run's own
#: feeds once per table: of twenty tables that is less than the 256 KiB that ClickHouse takes for a query.
STRAYS_MAX = 500


def strays_before(
    platform: Platform, query: Query, first: Mapping[Feed, int]
) -> dict[str, Sequence[StrayRow]]:
    """Look which rows must be left out of the account, by tier.

    Of more than `STRAYS_MAX` unlike rows that are of none of the run's feeds nothing is left out: somebody
    else uses the table, and they can hide nothing of the run.

    Args:
        platform: the system under test.
        query: runs a SELECT with so many columns.
        first: the first sequence that the run will send of each feed.

    Raises:
        MeasurementError: if more than `STRAYS_MAX` unlike rows stand where the run's own will be.
        ReaderError: if a tier can't be read.
    """
    found: dict[str, Sequence[StrayRow]] = {}
    for name, tier in platform.tiers.items():
        if tier.kind is not TierKind.TABLE:
            continue
        own, others = TableReader(query, tier.all_rows).strays(first, STRAYS_MAX)
        if len(own) > STRAYS_MAX:
            row = own[0]
            raise MeasurementError(
                f"{name}: more than {STRAYS_MAX:,} rows have sequences that this run will send, "
                f"{row.exchange} {row.symbol} {row.sequence} for one: nobody could tell them from its own. "
                "The exchange has begun to count anew, or another one writes to the tables: empty them"
            )
        if len(others) > STRAYS_MAX:
            feed = f"{others[0].exchange} {others[0].symbol}"
            more = f"more than {STRAYS_MAX:,} rows are of none of this run's feeds, {feed} for one"
            logger.warning("%s: %s: they count as unexpected", name, more)
            others = []
        if own or others:
            found[name] = [*own, *others]
            rows = sum(stray.rows for stray in found[name])
            logger.info("%s: %d rows that no run has sent were there; they don't count", name, rows)
    return found


def without_strays(
    platform: Platform, query: Query, strays: Mapping[str, Sequence[StrayRow]], feeds: Collection[Feed]
) -> Platform:
    """Return a platform whose table tiers don't show their strays, as the recorder has to look at it.

    Of other feeds it sees nothing anyway.

    Args:
        platform: the system under test.
        query: runs a SELECT with so many columns.
        strays: what `strays_before` has found.
        feeds: the run's.

    Raises:
        ReaderError: if a tier can't be read.
    """
    tiers = dict(platform.tiers)
    for name, rows in strays.items():
        own = [row for row in rows if Feed(row.exchange, row.symbol) in feeds]
        if not own:
            continue
        selects = {
            table: f"SELECT exchange, symbol, sequence FROM ({TableRows(query, select, own).sql})"
            for table, select in tiers[name].rows.items()
        }
        tiers[name] = msgspec.structs.replace(tiers[name], rows=selects)
    return msgspec.structs.replace(platform, tiers=tiers)
