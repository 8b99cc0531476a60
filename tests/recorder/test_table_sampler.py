"""The sampler sees what comes into a real ClickHouse, tier by tier, and says when it can't."""

import time
from collections.abc import Callable, Iterator

import pytest

from chaosp7.account.feeds import Feed
from chaosp7.platform.model import Tier, TierKind
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.heads import Known
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.table_query import Watch, news, parse, parse_parts, parts
from chaosp7.recorder.table_sampler import TableSampler
from chaosp7.recorder.timeline import Timeline
from tests.clickhouse_process import ClickHouseProcess
from tests.waiting import until

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
FIRST = [101, 1]
TIERS = {
    "raw": Tier(
        kind=TierKind.TABLE,
        service="clickhouse",
        fresh_within_ms=1000,
        sample_every_ms=20,
        rows={f"watch.{name}": f"SELECT * FROM watch.{name}" for name in ("binance", "kraken")},
    ),
    "gold": Tier(
        kind=TierKind.CANDLES,
        service="clickhouse",
        fresh_within_ms=1000,
        sample_every_ms=20,
        rows={"watch.candles": "SELECT * FROM watch.candles"},
        windows_s=[60, 300],
    ),
}


class Watched:
    """A sampler at work on two tiers."""

    def __init__(self, process: ClickHouseProcess) -> None:
        self.process = process
        self.run = process.run
        baseline = CandleBaseline(since_s=600, candles={"gold": {60: {}, 300: {}}})
        watch = Watch(TIERS, FEEDS, 600, baseline.trades(TIERS, FEEDS) | {"gold": [2, 0]})
        now_ns = time.monotonic_ns()
        self.timelines = {name: Timeline(name, FIRST, now_ns) for name in TIERS}
        self.attention = Attention(0.5, time.monotonic_ns)
        self.spare_s = dict.fromkeys(TIERS, 0.0)
        self.sampler = TableSampler(
            process.client(),
            watch,
            self.timelines,
            dict.fromkeys(TIERS, Pace(0.02, 1.0, 0.1)),
            self.attention,
            lambda name: self.spare_s[name],
            time.monotonic_ns,
        )
        self.sampler.start()

    def insert(self, exchange: str, first: int, last: int) -> None:
        symbol = {feed.exchange: feed.symbol for feed in FEEDS}[exchange]
        self.run(
            f"INSERT INTO watch.{exchange} SELECT '{exchange}', '{symbol}', number "
            f"FROM numbers({first}, {last - first + 1})"
        )

    def until_heads(self, tier: str, heads: list[int]) -> None:
        self.until(lambda: self.timelines[tier].heads() == heads)

    def until(self, true: Callable[[], bool]) -> None:
        until(true, said=lambda: str({n: t.heads() for n, t in self.timelines.items()}))


@pytest.fixture
def watched(clickhouse_process: ClickHouseProcess) -> Iterator[Watched]:
    clickhouse_process.run(
        "DROP DATABASE IF EXISTS watch",
        "CREATE DATABASE watch",
        *(
            f"CREATE TABLE watch.{name} (exchange String, symbol String, sequence UInt64) "
            "ENGINE = MergeTree ORDER BY sequence"
            for name in ("binance", "kraken")
        ),
        "CREATE TABLE watch.candles (window_s UInt32, exchange String, symbol String, window_start_s UInt32, "
        "trade_count UInt64) ENGINE = MergeTree ORDER BY window_start_s",
    )
    watched = Watched(clickhouse_process)
    yield watched
    watched.sampler.stop()
    if clickhouse_process.process.poll() is not None:
        clickhouse_process.start()


def test_new_rows_move_the_heads_of_their_feed_alone(watched: Watched) -> None:
    watched.insert("binance", 90, 150)  # up to 100 they are of an earlier run
    watched.until_heads("raw", [150, 0])
    watched.insert("kraken", 1, 7)
    watched.until_heads("raw", [150, 7])


def test_a_hole_holds_the_head_until_it_is_filled(watched: Watched) -> None:
    watched.insert("binance", 101, 110)
    watched.insert("binance", 121, 130)
    watched.until(lambda: any((0, 121, 130) in s.new for s in watched.timelines["raw"].samples))
    assert watched.timelines["raw"].heads() == [110, 0]
    watched.insert("binance", 111, 120)
    watched.until_heads("raw", [130, 0])


def test_what_comes_after_a_hole_that_never_fills_is_told_once(watched: Watched) -> None:
    watched.insert("binance", 101, 110)
    for first in (121, 131, 141):
        watched.insert("binance", first, first + 9)
        watched.until(lambda first=first: watched.timelines["raw"].known()[0].top == first + 9)  # type: ignore[misc]
    told = [r for sample in watched.timelines["raw"].samples for r in sample.new]
    assert sum(last - first + 1 for _, first, last in told) == 40
    assert watched.timelines["raw"].heads() == [110, 0]


@pytest.mark.parametrize("holes", [2, 3, 4, 20])
def test_holes_are_filled_in_any_order(watched: Watched, holes: int) -> None:
    watched.run(
        "INSERT INTO watch.kraken SELECT 'kraken', 'BTC/USD', number FROM numbers(1, 100) "
        f"WHERE number > {2 * holes} OR number % 2 = 0"
    )
    watched.until(lambda: watched.timelines["raw"].known()[1].top == 100)
    assert len(watched.timelines["raw"].known()[1].holes) == holes
    watched.insert("kraken", 3, 3)
    watched.until(lambda: len(watched.timelines["raw"].known()[1].holes) == holes - 1)
    assert watched.timelines["raw"].heads() == [100, 0]
    watched.insert("kraken", 1, 2 * holes)  # once more what was there, too
    watched.until_heads("raw", [100, 100])


def test_holes_of_two_feeds_far_apart_are_filled_one_by_one(watched: Watched) -> None:
    holes = {"binance": [300, 900, 5000], "kraken": [10, 2000, 7000]}
    tops = {"binance": 6000, "kraken": 9000}
    for exchange, first in zip(tops, FIRST, strict=True):
        starts = [first, *(hole + 1 for hole in holes[exchange])]
        for start, end in zip(starts, [*(hole - 1 for hole in holes[exchange]), tops[exchange]], strict=True):
            watched.insert(exchange, start, end)
    watched.until(lambda: [len(known.holes) for known in watched.timelines["raw"].known()] == [3, 3])
    for exchange in ("kraken", "binance"):
        for hole in reversed(holes[exchange]):
            watched.insert(exchange, hole, hole)
    watched.until_heads("raw", [6000, 9000])


def test_rows_that_were_there_twice_count_once(watched: Watched) -> None:
    watched.insert("kraken", 1, 5)
    watched.insert("kraken", 4, 9)
    watched.until_heads("raw", [100, 9])


def test_a_row_that_came_twice_does_not_make_up_for_one_that_is_missing(watched: Watched) -> None:
    watched.run(
        "INSERT INTO watch.kraken SELECT 'kraken', 'BTC/USD', arrayJoin([1, 2, 2, 4])",
    )
    watched.until(lambda: watched.timelines["raw"].known()[1].top == 4)
    assert watched.timelines["raw"].heads() == [100, 2]


def test_candles_count_from_the_baseline_in_the_shortest_windows(watched: Watched) -> None:
    watched.run(
        "INSERT INTO watch.candles VALUES (60, 'binance', 'BTC/USDT', 600, 5), "
        "(60, 'binance', 'BTC/USDT', 660, 4), (60, 'binance', 'BTC/USDT', 540, 100), "
        "(300, 'binance', 'BTC/USDT', 600, 50), (60, 'kraken', 'BTC/USD', 600, 3)"
    )
    # Two of the nine trades were there before the run.
    watched.until_heads("gold", [107, 3])
    samples = [s for s in watched.timelines["gold"].samples if s.counts]
    assert samples[-1].counts == ((0, 7), (1, 3))


def test_candles_that_are_gone_count_nothing(watched: Watched) -> None:
    watched.run("INSERT INTO watch.candles VALUES (60, 'binance', 'BTC/USDT', 600, 5)")
    watched.until_heads("gold", [103, 0])
    samples = watched.timelines["gold"].samples
    assert samples[-1].counts == ((0, 3), (1, 0))
    watched.run("TRUNCATE TABLE watch.candles")
    # Two that were there before the run are gone as well: that is no count below none.
    until(lambda: samples[-1].counts == ((0, 0), (1, 0)), said=lambda: str(samples[-1]))


def test_each_look_is_placed_between_two_moments_in_order(watched: Watched) -> None:
    watched.insert("kraken", 1, 5)
    watched.until_heads("raw", [100, 5])
    for timeline in watched.timelines.values():
        ends = [sample.after_ns for sample in timeline.samples]
        assert ends == sorted(ends)
        assert all(sample.before_ns <= sample.after_ns for sample in timeline.samples)


def test_a_server_that_is_down_is_an_error_and_its_return_is_seen(watched: Watched) -> None:
    watched.insert("kraken", 1, 5)
    watched.until_heads("raw", [100, 5])
    watched.process.kill()
    watched.until(lambda: all(t.last_error() is not None for t in watched.timelines.values()))
    watched.process.start()
    watched.until(lambda: all(t.last_error() is None for t in watched.timelines.values()))
    watched.insert("kraken", 6, 8)
    watched.until_heads("raw", [100, 8])


def test_it_looks_seldom_while_all_is_well_and_closely_again_when_called(watched: Watched) -> None:
    watched.spare_s = dict.fromkeys(TIERS, 60.0)
    samples = watched.timelines["raw"].samples
    watched.until(lambda: not watched.sampler.at_full.is_set())
    seen = len(samples)
    time.sleep(2.5)
    assert len(samples) - seen <= 4  # one a second; at full attention it would be some 50
    with watched.attention.held():
        assert watched.sampler.at_full.wait(0.5)  # a rest would last up to a second
        seen = len(samples)
        watched.until(lambda: len(samples) - seen > 4)


def test_a_look_that_fails_makes_the_looks_close(watched: Watched) -> None:
    watched.spare_s = dict.fromkeys(TIERS, 60.0)
    watched.until(lambda: not watched.attention.full)
    watched.run("DROP TABLE watch.candles")
    watched.until(lambda: watched.timelines["raw"].last_error() is not None)
    watched.until(lambda: watched.attention.full)


def test_at_rest_a_tier_that_is_due_is_looked_at_without_the_others(watched: Watched) -> None:
    watched.spare_s = {"raw": 60.0, "gold": 0.3}
    watched.until(lambda: not watched.attention.full and not watched.sampler.at_full.is_set())
    raw, gold = (watched.timelines[name].samples for name in ("raw", "gold"))
    seen = len(raw), len(gold)
    watched.until(lambda: len(gold) - seen[1] >= 12)  # one in 0.2 s: in 2.4 s raw is due two or three times
    assert len(raw) - seen[0] <= 6
    watched.insert("binance", 101, 110)
    watched.until_heads("raw", [110, 0])


def test_rows_that_a_merge_takes_into_another_part_at_once_are_seen(watched: Watched) -> None:
    for first in range(101, 161, 3):
        watched.insert("binance", first, first + 2)
        watched.run("OPTIMIZE TABLE watch.binance FINAL")
    watched.until_heads("raw", [160, 0])


def test_rows_of_a_table_that_was_made_anew_are_seen_though_its_parts_have_the_old_names(
    watched: Watched,
) -> None:
    watched.insert("binance", 101, 110)
    watched.until_heads("raw", [110, 0])
    create = "(exchange String, symbol String, sequence UInt64) ENGINE = MergeTree ORDER BY sequence"
    watched.run("DROP TABLE watch.binance SYNC", f"CREATE TABLE watch.binance {create}")
    watched.insert("binance", 111, 120)
    watched.until_heads("raw", [120, 0])


def test_parts_whose_rows_are_known_are_not_read_again(watched: Watched) -> None:
    watched.run("SYSTEM STOP MERGES watch.binance")
    watched.insert("binance", 101, 110)
    watched.until_heads("raw", [110, 0])
    watched.insert("binance", 111, 120)
    watched.until_heads("raw", [120, 0])
    known = {"raw": watched.timelines["raw"].known()}
    tables = ["watch.binance"]
    raw = Watch({"raw": TIERS["raw"]}, FEEDS, 600, {})
    client = watched.process.client(5.0)
    seen = parse_parts(client.rows(parts(tables)))
    unread = {table: frozenset(sorted(found)[:1]) for table, found in seen.items()}
    sql = news(raw, tables, {"raw": [Known(0, ()) for _ in FEEDS]}, unread)
    (row,) = parse(client.rows(sql), FEEDS)
    assert (row.lowest, row.highest, row.count) == (111, 120, 10)
    assert not parse(client.rows(news(raw, tables, known, {})), FEEDS)
