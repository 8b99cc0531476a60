"""The queries by which all ClickHouse tiers are watched at the same moment.

Planning is what a small query costs, a few milliseconds per table, not reading. So a look first
asks which parts each table has, and only what has changed since is queried: of that only parts that weren't
there at the look before (the cost must not grow with the table), and of those only what isn't known to be
visible already: what lies above the top, or in a hole. Min, max and the number of distinct sequences
tell whether the rows follow on without a hole; only where they don't, a further query fetches the ranges.
Rows won't do: one that came twice would make up for one that is missing.
A hole that never fills (messages that the source lost) costs a few comparisons: what came after it is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import accumulate, chain, pairwise

from chaosp7.account.feeds import Feed
from chaosp7.platform.clickhouse import literal
from chaosp7.platform.model import Tier, TierKind
from chaosp7.recorder.heads import Holes, Known

__all__ = ["Parts", "Row", "Watch", "islands", "news", "parse", "parse_parts", "parts"]

#: Names of a table's parts, with the hash of what is in each.
Parts = frozenset[tuple[str, str]]

#: Holes of one feed that a query names one by one; each makes its plan longer by a tenth.
_HOLES_MAX = 3

#: Ranges that hold the holes of all feeds: what is in none of them is known without asking for its feed.
_SPANS_MAX = 4


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched.

    Attributes:
        tiers: table and candle tiers by name.
        feeds: by index.
        since_s: candle tiers count windows that begin at this Unix second or later.
        baseline: candle tiers: tier -> trades that each feed's windows since then held before.
    """

    tiers: Mapping[str, Tier]
    feeds: Sequence[Feed]
    since_s: int
    baseline: Mapping[str, Sequence[int]]

    @property
    def tables(self) -> list[str]:
        """Every table of every tier, each once."""
        return list(dict.fromkeys(table for tier in self.tiers.values() for table in tier.rows))


@dataclass(frozen=True, slots=True)
class Row:
    """What one tier has of one feed that wasn't known.

    Attributes:
        tier: the tier's name.
        feed: index of the feed.
        lowest: lowest such sequence (a candle tier: 0).
        highest: highest one (a candle tier: 0).
        count: distinct sequences (a candle tier: trades counted in all).
    """

    tier: str
    feed: int
    lowest: int
    highest: int
    count: int


def parts(tables: Collection[str]) -> str:
    """Return the query for the tables' active parts: while they stay the same, nothing came.

    Merges change them too; that costs a look for nothing. A table without a row has no part, nor
    has one that isn't of the MergeTree family: it counts as changed each time.

    Returns:
        A SELECT of database, table, part, hash: a name may come again after a table was made anew.
    """
    pairs = [name.split(".") for name in tables]
    databases = ", ".join(sorted({literal(database) for database, _ in pairs}))
    names = ", ".join(sorted({literal(table) for _, table in pairs}))
    # Plain columns: grouping them here would double what the look costs the server.
    return (
        "SELECT database, table, name, hash_of_all_files FROM system.parts "
        f"WHERE active AND database IN ({databases}) AND table IN ({names})"
    )


def parse_parts(answer: Iterable[Sequence[str]]) -> dict[str, Parts]:
    """Return table -> its parts from the rows of an answer to `parts`."""
    result: dict[str, set[tuple[str, str]]] = {}
    for database, table, name, content in answer:
        result.setdefault(f"{database}.{table}", set()).add((name, content))
    return {table: frozenset(found) for table, found in result.items()}


def news(
    watch: Watch, tables: Collection[str], known: Mapping[str, Sequence[Known]], read: Mapping[str, Parts]
) -> str:
    """Return the query for what some tables have that isn't known.

    Args:
        watch: what is watched; each of its tiers has one of the tables.
        tables: those that have changed, at least one.
        known: tier -> what is visible of each feed.
        read: table -> parts of which every row is known.

    Returns:
        A SELECT of tier, exchange, symbol, lowest, highest, count.
    """
    selects = []
    for name, tier in watch.tiers.items():
        for table, rows in tier.rows.items():
            # Candles are counted in all of the tier; rows of a table that is as it was are known.
            if tier.kind is TierKind.CANDLES:
                selects.append(
                    f"SELECT {literal(name)} AS tier, exchange, symbol, toUInt64(0), toUInt64(0), "
                    f"sum(trade_count) FROM ({rows}) WHERE window_s = {min(tier.windows_s)} "
                    f"AND window_start_s >= {watch.since_s} GROUP BY exchange, symbol"
                )
            elif table in tables:
                selects.append(
                    f"SELECT {literal(name)} AS tier, exchange, symbol, min(sequence), max(sequence), "
                    f"uniqExact(sequence) FROM ({rows}) WHERE {_unknown(watch.feeds, known[name])} "
                    "GROUP BY exchange, symbol"
                )
    # A few hundred rows don't need threads; starting them costs a quarter of the query.
    whole = {table for tier in watch.tiers.values() if tier.kind is TierKind.CANDLES for table in tier.rows}
    filters = _without({table: read[table] for table in tables if table in read and table not in whole})
    return f"{' UNION ALL '.join(selects)} SETTINGS max_threads = 1{filters}"


def islands(tier: Tier, feeds: Sequence[Feed], known: Sequence[Known], read: Mapping[str, Parts]) -> str:
    """Return the query for the ranges that a table tier has and that aren't known.

    Consecutive sequences share the difference to their row number: the classic grouping of
    "gaps and islands".

    Args:
        tier: the tier.
        feeds: by index.
        known: what is visible of each.
        read: table -> parts of which every row is known.

    Returns:
        A SELECT of exchange, symbol, first, last.
    """
    distinct = (
        f"SELECT DISTINCT exchange, symbol, sequence FROM ({tier.all_rows}) WHERE {_unknown(feeds, known)}"
    )
    numbered = (
        "SELECT exchange, symbol, sequence, toInt64(sequence) - toInt64(row_number() OVER "
        f"(PARTITION BY exchange, symbol ORDER BY sequence)) AS island FROM ({distinct})"
    )
    filters = _without({table: read[table] for table in tier.rows if table in read})
    return (
        "SELECT exchange, symbol, min(sequence), max(sequence) "
        f"FROM ({numbered}) GROUP BY exchange, symbol, island SETTINGS max_threads = 1{filters}"
    )


def parse(answer: Iterable[Sequence[str]], feeds: Sequence[Feed]) -> list[Row]:
    """Return what the rows of an answer to `news` tell.

    Rows of feeds that the platform file doesn't know are left out: the account sees to them.
    """
    indices = {feed: i for i, feed in enumerate(feeds)}
    rows = []
    for tier, exchange, symbol, lowest, highest, count in answer:
        index = indices.get(Feed(exchange, symbol))
        if index is not None:
            rows.append(Row(tier, index, int(lowest), int(highest), int(count)))
    return rows


def _without(read: Mapping[str, Parts]) -> str:
    """Return the setting by which tables are read without some parts.

    They are named by what is left out, for a merge may put a new one into another at any moment.
    """
    filters = []
    for table, parts_ in read.items():
        names = ", ".join(sorted(literal(name) for name, _ in parts_))
        filters.append(f"{literal(table)}: {literal(f'_part NOT IN ({names})')}")
    return f", additional_table_filters = {{{', '.join(filters)}}}" if filters else ""


def _unknown(feeds: Sequence[Feed], known: Sequence[Known]) -> str:
    # Rows that are known are most of those that a merge has put into a new part: comparing one with a few
    # numbers is all that it costs. For the others a look-up costs a quarter of a chain of ORs.
    tops = [max(feed.top, 0) for feed in known]
    holes = [_few(feed.holes) for feed in known]
    near = [f"sequence > {min(tops)}"]
    near += [f"sequence BETWEEN {first} AND {last}" for first, last in _spans(holes)]
    wanted = [f"sequence > {_looked_up(list(zip(feeds, tops, strict=True)), 0)}"]
    for layer in range(max(map(len, holes))):
        there = [(feed, one[layer]) for feed, one in zip(feeds, holes, strict=True) if layer < len(one)]
        # A feed without such a hole has one from 1 to 0.
        first = _looked_up([(feed, hole[0]) for feed, hole in there], 1)
        last = _looked_up([(feed, hole[1]) for feed, hole in there], 0)
        wanted.append(f"sequence BETWEEN {first} AND {last}")
    return f"({' OR '.join(near)}) AND ({' OR '.join(wanted)})"


def _spans(holes: Sequence[Holes]) -> list[tuple[int, int]]:
    """Return a few ranges that take in every hole of every feed: cut where the gaps are widest."""
    ordered = sorted(chain.from_iterable(holes))
    ends = list(accumulate((last for _, last in ordered), max))
    apart = [i for i in range(1, len(ordered)) if ordered[i][0] > ends[i - 1] + 1]
    cuts = sorted(nlargest(_SPANS_MAX - 1, apart, key=lambda i: ordered[i][0] - ends[i - 1]))
    return [(ordered[a][0], ends[b - 1]) for a, b in pairwise([0, *cuts, len(ordered)]) if a < b]


def _few(holes: Holes) -> Holes:
    # Few and wide: what is known in between comes once more, which does no harm.
    return (
        holes
        if len(holes) <= _HOLES_MAX
        else (*holes[: _HOLES_MAX - 1], (holes[_HOLES_MAX - 1][0], holes[-1][1]))
    )


def _looked_up(values: Sequence[tuple[Feed, int]], otherwise: int) -> str:
    """Return the expression for the value that belongs to a row's feed."""
    names = ", ".join(literal(f"{feed.exchange} {feed.symbol}") for feed, _ in values)
    numbers = ", ".join(str(value) for _, value in values)
    return f"transform(concat(exchange, ' ', symbol), [{names}], [{numbers}], {otherwise})"
