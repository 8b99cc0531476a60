"""Before the load: rows in tables that would pass for the run's own.

Earlier runs leave rows behind that no run has sent: a damaged sequence, a symbol of nobody. They stay in
their table, and would be unexpected in each later run, or hide that the message with their number is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosp7.account.feeds import Feed
from chaosp7.account.readers.table import TableReader
from chaosp7.account.readers.table_rows import StrayRow
from chaosp7.errors import MeasurementError
from chaosp7.platform.model import Platform, TierKind

__all__ = ["STRAYS_MAX", "strays_before"]

logger = logging.getLogger("chaostoolkit")

#: Rows of either kind that are told apart, each by name, in every query of the account.
STRAYS_MAX = 1000


def strays_before(
    platform: Platform, query: Callable[[str, int], Sequence[Any]], first: Mapping[Feed, int]
) -> dict[str, Sequence[StrayRow]]:
    """Look which rows must be left out of the account, by tier.

    Of more than `STRAYS_MAX` rows that are of none of the run's feeds nothing is left out: somebody else
    uses the table, and they can hide nothing of the run.

    Args:
        platform: the system under test.
        query: runs a SELECT with so many columns.
        first: the first sequence that the run will send of each feed.

    Raises:
        MeasurementError: if more than `STRAYS_MAX` rows stand where the run's own will be.
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
            logger.info(
                "%s: %d rows that no run has sent were there; they don't count", name, len(found[name])
            )
    return found
