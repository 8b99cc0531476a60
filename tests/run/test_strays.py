"""Rows that would pass for the run's own are told before it sends anything."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.readers.table_rows import StrayRow
from chaosp7.errors import MeasurementError
from chaosp7.platform.loader import load
from chaosp7.platform.model import Platform, TierKind
from chaosp7.run.strays import STRAYS_MAX, strays_before, without_strays
from tests.chaos import PLATFORM

BTC = Feed("binance", "BTC/USDT")


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load(PLATFORM)


class Tables:
    """Answers what a table tier's reader asks for: so many strays of either kind in silver, none elsewhere."""

    def __init__(self, own: int, others: int) -> None:
        self._rows = {False: own, True: others}

    def query(self, sql: str, count: int) -> Sequence[Any]:
        if "toTypeName" in sql:
            return [["String"], ["String"], *([["Int64"]] * (count - 2))]
        rows = range(self._rows["NOT (" in sql] if "silver" in sql else 0)
        columns = [*rows], [2] * len(rows), ["binance"] * len(rows), ["BTC/USDT"] * len(rows), [*rows]
        assert len(columns) == count
        return columns


def test_a_platform_whose_tables_hold_only_what_earlier_runs_sent_has_none(platform: Platform) -> None:
    assert strays_before(platform, Tables(0, 0).query, {BTC: 100}) == {}


def test_some_are_left_out_of_their_tier_and_told(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chaostoolkit")
    found = strays_before(platform, Tables(STRAYS_MAX, 2).query, {BTC: 100})
    assert {tier: len(rows) for tier, rows in found.items()} == {"silver": STRAYS_MAX + 2}
    assert f"silver: {2 * (STRAYS_MAX + 2)} rows" in caplog.text


def test_more_where_the_runs_own_rows_will_be_than_can_be_told_apart_are_an_error(platform: Platform) -> None:
    with pytest.raises(MeasurementError, match=r"silver: more than 500 rows .* empty them"):
        strays_before(platform, Tables(STRAYS_MAX + 1, 0).query, {BTC: 100})


def test_more_of_other_feeds_than_can_be_told_apart_count_as_unexpected_and_that_is_said(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    found = strays_before(platform, Tables(1, STRAYS_MAX + 1).query, {BTC: 100})
    assert {tier: len(rows) for tier, rows in found.items()} == {"silver": 1}
    assert "they count as unexpected" in caplog.text


def test_only_tables_are_asked(platform: Platform) -> None:
    asked: list[str] = []

    def query(sql: str, count: int) -> Sequence[Any]:
        asked.append(sql)
        return Tables(0, 0).query(sql, count)

    strays_before(platform, query, {BTC: 100})
    tables = [tier for tier in platform.tiers.values() if tier.kind is TierKind.TABLE]
    assert len(asked) == 3 * len(tables)


def test_the_recorder_looks_past_strays_at_each_table_of_their_tier_and_at_others_as_they_are(
    platform: Platform,
) -> None:
    query = Tables(1, 1).query
    watched = without_strays(platform, query, strays_before(platform, query, {BTC: 100}), {BTC})
    assert watched.tiers.keys() == platform.tiers.keys()
    for name, tier in platform.tiers.items():
        if name != "silver":
            assert watched.tiers[name] == tier
        else:
            assert watched.tiers[name].rows.keys() == tier.rows.keys()
            assert all("NOT (cityHash64(" in select for select in watched.tiers[name].rows.values())


def test_of_other_feeds_the_recorder_sees_nothing_anyway(platform: Platform) -> None:
    query = Tables(0, 3).query
    found = strays_before(platform, query, {BTC: 100})
    assert len(found["silver"]) == 3
    assert without_strays(platform, query, found, {Feed("kraken", "X/USD")}) == platform


def test_twenty_tables_full_of_strays_fit_into_one_query_of_the_recorder(platform: Platform) -> None:
    def query(sql: str, count: int) -> Sequence[Any]:
        if "toTypeName" in sql:
            return [["String"], ["String"], *([["Int64"]] * (count - 2))]
        raise AssertionError(sql)

    largest = (1 << 64) - 1
    rows = [StrayRow(largest - i, 1, BTC.exchange, BTC.symbol, largest - i) for i in range(STRAYS_MAX)]
    watched = without_strays(platform, query, {"silver": rows}, {BTC})
    assert 20 * max(map(len, watched.tiers["silver"].rows.values())) < 256 * 1024
