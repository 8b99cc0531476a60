"""A run's candles begin with what older runs have left, and nothing of that may come later."""

import time
from collections.abc import Callable, Sequence

import msgspec
import pytest

from chaosp7.errors import PlatformError
from chaosp7.platform.loader import load
from chaosp7.platform.model import Tier, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.run.candles_at_rest import candles_at_rest, until_unchanged
from tests.chaos import PLATFORM
from tests.clickhouse_process import ClickHouseProcess


class Clock:
    """A clock that only goes on when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def at(clock: Clock, steps: Sequence[tuple[float, int]]) -> Callable[[], int]:
    """Return what gives the value of the last step that has begun; steps are seconds and values."""

    def value() -> int:
        return [value for since_s, value in steps if clock.now_s - 100 >= since_s][-1]

    return value


def baseline(since_s: int) -> CandleBaseline:
    return CandleBaseline(since_s=since_s, candles={})


def wait(clock: Clock, held: Sequence[tuple[float, int]], lag: Sequence[tuple[float, int]]) -> int:
    read = at(clock, held)
    found = until_unchanged(lambda: baseline(read()), at(clock, lag), clock.now, clock.sleep)
    return found.since_s


def test_candles_that_do_not_move_are_taken_as_they_are() -> None:
    clock = Clock()
    assert wait(clock, [(0, 7)], [(0, 0)]) == 7
    assert clock.now_s - 100 < 2


def test_what_comes_late_from_an_earlier_run_is_waited_for() -> None:
    clock = Clock()
    assert wait(clock, [(0, 1), (1, 2), (2.2, 3)], [(0, 0)]) == 3
    assert clock.now_s - 100 >= 2.2 + 1.5


def test_while_a_consumer_lags_nothing_is_at_rest() -> None:
    clock = Clock()
    assert wait(clock, [(0, 1), (20, 2)], [(0, 500), (19, 0)]) == 2


@pytest.mark.parametrize(
    ("held", "lag", "sign"),
    [
        ([(second, second) for second in range(100)], [(0, 0)], "the candles still move"),
        ([(0, 1)], [(0, 1234)], "1,234 messages aren't consumed"),
    ],
)
def test_a_platform_that_never_rests_is_told(
    held: Sequence[tuple[float, int]], lag: Sequence[tuple[float, int]], sign: str
) -> None:
    with pytest.raises(PlatformError, match=sign):
        wait(Clock(), held, lag)


def test_windows_of_a_second_come_to_rest_though_a_new_one_begins_with_each_look(
    clickhouse_process: ClickHouseProcess,
) -> None:
    clickhouse_process.run(
        "DROP DATABASE IF EXISTS at_rest",
        "CREATE DATABASE at_rest",
        "CREATE TABLE at_rest.candles (window_s UInt32, exchange String, symbol String, window_start_s UInt32, "
        "open_e8 Int64, high_e8 Int64, low_e8 Int64, close_e8 Int64, volume_e8 Int128, "
        "quote_volume_e8 Int128, trade_count UInt64) ENGINE = MergeTree ORDER BY window_start_s",
        "INSERT INTO at_rest.candles SELECT 1, 'a', 'b', toUnixTimestamp(now()) + number, 1, 1, 1, 1, 1, 1, 1 "
        "FROM numbers(60)",
    )
    rows = {"at_rest.candles": "SELECT * FROM at_rest.candles"}
    tier = Tier(
        kind=TierKind.CANDLES, service="clickhouse", fresh_within_ms=1000, sample_every_ms=100, rows=rows,
        windows_s=[1],
    )  # fmt: skip
    platform = msgspec.structs.replace(load(PLATFORM), tiers={"gold": tier}, consumer_groups=[])
    client = clickhouse_process.client()
    began_s = time.time()
    found = candles_at_rest(platform, "", client)
    client.close()
    assert int(began_s) <= found.since_s <= began_s + 1
    assert len(found.candles["gold"][1]) > 50
