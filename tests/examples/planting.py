"""A pytest plugin that does damage in an example's own process, and doesn't wait long for what never comes.

The usual wait for what is missing is 20 s. What is deleted here was in the tier already.
"""

from functools import partial

import pytest
import requests

import chaosp7.run.rest
from chaosp7.pytest_plugin import Messages
from chaosp7.recorder.drain import DrainTimes

#: Whose trades silver loses: the 4th to the 10th of a feed.
VICTIM = "test_every_trade_arrives"

chaosp7.run.rest.DrainTimes = partial(DrainTimes, incomplete_s=3.0)  # type: ignore[misc,assignment]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Function) -> None:
    if item.name != VICTIM:
        return
    messages: Messages = item.funcargs["messages"]
    source = messages.run.recorder.source
    firsts = {str(feed): first for feed, first in zip(source.feeds, source.first, strict=True)}
    first = firsts["binance BTC/USDT"]
    sql = (
        "DELETE FROM k2.silver_trades WHERE exchange = 'binance' AND canonical_symbol = 'BTC/USDT' "
        f"AND source_sequence BETWEEN {first + 3} AND {first + 9}"
    )
    clickhouse = messages.run.driver.endpoint("clickhouse")
    answer = requests.post(f"http://{clickhouse}/", data=sql.encode(), timeout=30)
    assert answer.ok, answer.text
