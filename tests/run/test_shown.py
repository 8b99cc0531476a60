"""A message that no look had shown by the end of the drain is late, also if the account finds it there."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.attribution import Attribution
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import GoldAccount
from chaosp7.account.sent import Bounds
from chaosp7.platform.loader import load
from chaosp7.recorder.heads import Heads, Known
from chaosp7.recorder.timeline import Timeline
from chaosp7.run.accounting import Accounts
from chaosp7.run.shown import not_shown, with_what_came_late

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT")
FIRST, LAST = 10, 30
BOUNDS = {feed: Bounds(FIRST, LAST, LAST) for feed in (BTC, ETH)}


@given(shown=st.lists(st.sets(st.integers(FIRST, LAST)), min_size=2, max_size=2))
def test_not_shown_is_what_was_sent_and_is_not_visible(shown: list[set[int]]) -> None:
    heads = Heads([FIRST, FIRST])
    for feed, sequences in enumerate(shown):
        for sequence in sequences:
            heads.add(feed, sequence, sequence)
    found = not_shown(heads.known(), (BTC, ETH), BOUNDS)
    everything = set(range(FIRST, LAST + 1))
    assert {feed: set(one) for feed, one in found.items()} == {
        feed: everything - seen for feed, seen in zip((BTC, ETH), shown, strict=True) if everything - seen
    }


def test_what_the_topic_shows_beyond_the_last_message_sent_is_nothing_to_wait_for() -> None:
    assert not_shown([Known(1 << 60, ((LAST + 1, (1 << 60) - 1),))], (BTC,), BOUNDS) == {}


def account(name: str, **sets: Any) -> TierAccount:
    none: dict[str, Any] = {
        key: {} for key in ("lost", "late", "corrupted", "duplicated", "reordered", "unexpected")
    }
    return TierAccount(tier=name, bounds=BOUNDS, unexpected_rows=0, surplus_rows={}, **{**none, **sets})


@pytest.fixture
def recorder() -> Any:
    """Looks that have shown no tier 17 to 19 of BTC, nor its end from 28 on."""
    timelines = {name: Timeline(name, [FIRST, FIRST], 0) for name in ("topic", "raw", "silver")}
    for timeline in timelines.values():
        timeline.add(1, 2, [(0, FIRST, 16), (0, 20, 27), (1, FIRST, LAST)])
    return SimpleNamespace(timelines=timelines, source=SimpleNamespace(feeds=(BTC, ETH)))


def test_what_came_while_the_tiers_were_read_is_late(recorder: Any) -> None:
    tiers: dict[str, Any] = {
        "topic": account("topic"),
        "raw": account("raw", lost={BTC: BitMap64([17])}, duplicated={BTC: BitMap64([19, 20])}),
        "silver": account("silver", late={BTC: BitMap64([29])}),
        "gold": GoldAccount("gold", ()),
    }
    attribution = cast("Attribution", None)
    accounts = Accounts(cast("Any", None), tiers, attribution)
    found: dict[str, Any] = with_what_came_late(accounts, load("embedded"), recorder).tiers
    # What a topic has that no look saw may lie in one that was made anew.
    assert found["topic"].counts.late == 0
    assert (found["raw"].lost, found["raw"].duplicated) == ({BTC: BitMap64([17])}, {BTC: BitMap64([20])})
    assert found["raw"].late == {BTC: BitMap64([18, 19, 28, 29, 30])}
    assert found["silver"].late == {BTC: BitMap64([17, 18, 19, 28, 29, 30])}
    assert accounts.tiers == tiers
