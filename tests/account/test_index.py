"""Feeds keep the numbers that they were given."""

import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT")


def test_a_feed_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        FeedIndex([BTC, BTC])


def test_asking_again_for_a_feed_gives_the_same_number_and_adds_none() -> None:
    index = FeedIndex([BTC])
    assert [index.index(feed) for feed in (BTC, ETH, ETH, BTC)] == [0, 1, 1, 0]
    assert len(index) == 2
    assert index.known == 1
