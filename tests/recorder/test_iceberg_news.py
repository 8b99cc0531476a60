"""How many trades of a run the candles of a real Iceberg table count."""

from pathlib import Path

from chaosp7.account.candles import Candle, CandleKey
from chaosp7.account.feeds import Feed
from chaosp7.platform.iceberg import data_files_after
from chaosp7.recorder.iceberg_news import CandleNews
from chaosp7.recorder.timeline import Timeline
from tests.iceberg_candles import IcebergCandles

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("kraken", "ETH/USD")
FIRST = [101, 1]
SINCE_S = 1_770_000_000 // 60 * 60


class Watched:
    """A table, and what is known of it."""

    def __init__(self, folder: Path, held: tuple[int, int] = (0, 0)) -> None:
        self.candles = IcebergCandles(folder)
        self.news = CandleNews(self.candles.source, 60, [BTC, ETH], SINCE_S, held)
        self.timeline = Timeline("cold-gold", FIRST, 0)
        self._read = 0

    def append(self, feed: Feed, minute: int, version: int, trades: int, length_s: int = 60) -> None:
        key = CandleKey(feed, SINCE_S + 60 * minute)
        self.candles.append([(length_s, key, version, Candle(1, 1, 1, 1, trades, trades, trades))])

    def look(self) -> tuple[tuple[int, int], ...]:
        table = self.candles.now()
        self.news.read(table, data_files_after(table, self._read))
        snapshot = table.current_snapshot()
        self._read = 0 if snapshot is None else snapshot.sequence_number or 0
        self.news.note(self.timeline, 1, 2)
        return self.timeline.samples[-1].counts


def test_the_newest_versions_of_the_runs_windows_are_counted_and_only_what_changed_is_noted(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    watched.append(BTC, -1, 1, 50)  # before the run
    watched.append(BTC, 0, 2, 10)
    watched.append(BTC, 0, 2, 99, length_s=300)
    assert watched.look() == ((0, 10), (1, 0))
    watched.append(BTC, 0, 3, 12)
    watched.append(BTC, 1, 3, 5)
    assert watched.look() == ((0, 17),)
    watched.append(ETH, 1, 4, 2)
    assert watched.look() == ((1, 2),)
    assert watched.look() == ()
    assert watched.timeline.heads() == [117, 2]


def test_what_was_held_before_the_run_is_not_of_it_even_where_the_copy_is_behind(tmp_path: Path) -> None:
    watched = Watched(tmp_path, held=(30, 0))
    watched.append(BTC, 0, 2, 20)
    assert watched.look() == ((0, 0), (1, 0))
    watched.append(BTC, 0, 3, 34)
    assert watched.look() == ((0, 4),)


def test_a_table_made_anew_is_counted_anew(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.append(BTC, 0, 7, 20)
    watched.look()
    watched.news.forget()
    watched._read = 1
    watched.append(BTC, 0, 2, 6)
    assert watched.look() == ((0, 6),)
