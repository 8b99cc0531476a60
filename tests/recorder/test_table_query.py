"""What isn't known yet of a table is asked for, whatever is known, and little else: by a real ClickHouse."""

from collections import defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from chaosp7.account.feeds import Feed
from chaosp7.platform.clickhouse import ClickHouse, literal
from chaosp7.platform.model import Tier, TierKind
from chaosp7.recorder.heads import Heads, Known
from chaosp7.recorder.table_query import Watch, islands, news, parse, parse_parts, parts
from tests.clickhouse_process import ClickHouseProcess

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "it's \\ odd"), Feed("coinbase", "BTC/USD"))
STRANGER = Feed("nobody", "XYZ")
#: The runs begin here; rows below it are of earlier ones.
FIRST = [1, 3, 20]
LAST = 45
#: Up to so many holes a feed's query names each, and nothing in between comes once more.
HOLES_MAX = 3

#: By feed: sequences that are there, and which of them are known.
Rows = list[tuple[set[int], set[int]]]
SETS = st.sets(st.integers(1, LAST))
ROWS = st.lists(st.tuples(SETS, SETS), min_size=len(FEEDS), max_size=len(FEEDS))
ODD, EVEN = (set(range(first, LAST + 1, 2)) for first in (1, 2))


def tier_of(rows: Rows, twice: bool) -> Tier:
    """Return a tier whose rows are constants: those of the feeds, and one of a feed that nobody knows."""
    there = [(feed, sequence) for feed, (visible, _) in zip(FEEDS, rows, strict=True) for sequence in visible]
    values = [
        f"({literal(feed.exchange)}, {literal(feed.symbol)}, {sequence})"
        for feed, sequence in [*there, (STRANGER, 7)] * (2 if twice else 1)
    ]
    columns = literal("exchange String, symbol String, sequence UInt64")
    sql = f"SELECT * FROM values({columns}, {', '.join(values)})"
    return Tier(
        kind=TierKind.TABLE,
        service="clickhouse",
        fresh_within_ms=1000,
        sample_every_ms=20,
        rows={"none.constants": sql},
    )


def known_of(rows: Rows) -> list[Known]:
    heads = Heads(FIRST)
    for feed, (visible, known) in enumerate(rows):
        for sequence in sorted(visible & known):
            if sequence >= FIRST[feed]:
                heads.add(feed, sequence, sequence)
    return heads.known()


@given(rows=ROWS, twice=st.booleans())
@example(rows=[(ODD | EVEN, ODD), (ODD, EVEN), (EVEN, set())], twice=True)
@example(rows=[(ODD | EVEN, ODD), (ODD | EVEN, EVEN), (ODD | EVEN, {LAST})], twice=False)
def test_all_that_is_not_known_is_found_and_nothing_that_is_not_there(
    clickhouse: ClickHouse, rows: Rows, twice: bool
) -> None:
    tier, known = tier_of(rows, twice), known_of(rows)
    found: dict[Feed, set[int]] = defaultdict(set)
    for exchange, symbol, first, last in clickhouse.rows(islands(tier, FEEDS, known, {})):
        found[Feed(exchange, symbol)] |= set(range(int(first), int(last) + 1))
    for index, feed in enumerate(FEEDS):
        visible, seen = rows[index]
        ours = {sequence for sequence in visible if sequence >= FIRST[index]}
        assert ours - seen <= found[feed] <= ours
        if len(known[index].holes) <= HOLES_MAX:
            assert found[feed] == ours - seen
    # The short answer is of the same rows.
    watch = Watch({"raw": tier}, FEEDS, 0, {})
    answer = clickhouse.rows(news(watch, ["none.constants"], {"raw": known}, {}))
    assert {(row.feed, row.lowest, row.highest, row.count) for row in parse(answer, FEEDS)} == {
        (index, min(found[feed]), max(found[feed]), len(found[feed]))
        for index, feed in enumerate(FEEDS)
        if found[feed]
    }


def test_parts_are_told_table_by_table_also_of_several_databases(
    clickhouse_process: ClickHouseProcess, clickhouse: ClickHouse
) -> None:
    tables = ["it's.one", "it's.other", "query.one"]
    for database, table in (name.split(".") for name in tables):
        clickhouse_process.run(
            f"CREATE DATABASE IF NOT EXISTS `{database}`",
            f"CREATE OR REPLACE TABLE `{database}`.{table} (x UInt8) ENGINE = MergeTree ORDER BY x",
        )
    clickhouse_process.run("INSERT INTO `it's`.one VALUES (1)", "INSERT INTO query.one VALUES (1)")
    one = parse_parts(clickhouse.rows(parts(tables)))
    assert {table: [name for name, _ in found] for table, found in one.items()} == {
        "it's.one": ["all_1_1_0"],
        "query.one": ["all_1_1_0"],
    }
    clickhouse_process.run("INSERT INTO query.one VALUES (2)")
    two = parse_parts(clickhouse.rows(parts(tables)))
    assert two["it's.one"] == one["it's.one"]
    assert two["query.one"] > one["query.one"]
