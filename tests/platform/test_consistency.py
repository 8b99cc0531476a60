"""What a platform file says belongs together."""

from typing import Literal

import msgspec
import pytest

from chaosp7.platform.consistency import inconsistencies
from chaosp7.platform.loader import load
from tests.lite import HANDLER


@pytest.mark.parametrize(
    ("driver", "service", "allowed"),
    [
        ("process", HANDLER, True),
        ("process", "silver-processor", True),
        ("process", "redpanda", False),
        ("docker", HANDLER, False),
    ],
)
def test_a_clock_can_be_turned_only_where_it_is_seen_to_be(
    driver: Literal["process", "docker"], service: str, allowed: bool
) -> None:
    model = load("embedded")
    turned = msgspec.structs.replace(model.services[service], adjustable_clock=True)
    model = msgspec.structs.replace(model, driver=driver, services={**model.services, service: turned})
    found = [where for where, _ in inconsistencies(model)]
    assert found == ([] if allowed else [("services", service, "adjustable_clock")])


@pytest.mark.parametrize("left_out", ["minio", "catalog", "offload"])
def test_a_cold_tier_is_whole_or_not_there(left_out: str) -> None:
    model = load("embedded-cold")
    assert list(inconsistencies(model)) == []
    services = {name: one for name, one in model.services.items() if name != left_out}
    links = {name: one for name, one in model.links.items() if left_out not in (one.client, one.server)}
    tiers = {name: one for name, one in model.tiers.items() if one.service != left_out}
    changed = msgspec.structs.replace(model, services=services, links=links, tiers=tiers)
    found = list(inconsistencies(changed))
    assert [where for where, _ in found] == [("services",)]


def test_candles_in_iceberg_are_a_copy_of_some_before_them() -> None:
    model = load("embedded-cold")
    tiers = dict(model.tiers)
    del tiers["gold"]
    alone = msgspec.structs.replace(model, tiers=tiers)
    assert list(inconsistencies(alone)) == [
        (("tiers", "cold-gold"), "a tier of kind iceberg-candles comes after a tier of kind candles")
    ]
    longer = msgspec.structs.replace(model.tiers["cold-gold"], windows_s=[60, 120])
    changed = msgspec.structs.replace(model, tiers={**model.tiers, "cold-gold": longer})
    assert list(inconsistencies(changed)) == [
        (("tiers", "cold-gold", "windows_s"), "are some of those of 'gold', whose copy it is")
    ]


def test_a_table_of_candles_of_one_length_needs_no_column_for_it() -> None:
    model = load("embedded-cold")
    tier = model.tiers["cold-gold"]
    assert tier.iceberg is not None
    columns = {name: column for name, column in tier.iceberg.columns.items() if name != "window_s"}
    iceberg = msgspec.structs.replace(tier.iceberg, columns=columns)
    minutes = msgspec.structs.replace(tier, windows_s=[60], iceberg=iceberg)
    assert not list(
        inconsistencies(msgspec.structs.replace(model, tiers={**model.tiers, "cold-gold": minutes}))
    )


@pytest.mark.parametrize(
    ("exchange", "symbols", "told"),
    [
        ("kraken", ["BTC/USD", "ETH/USD", "BTC/USD"], ["names a symbol twice"]),
        (
            "kraken",
            ["XBT/USD", "ETH/USD", "BTC/USD"],
            ["BTC/USD and XBT/USD are one to the exchange: XBT/USD"],
        ),
        ("binance", ["A/BC", "AB/C"], ["A/BC and AB/C are one to the exchange: ABC"]),
        ("coinbase", ["XBT/USD", "BTC/USD"], []),
    ],
)
def test_two_symbols_that_messages_do_not_tell_apart_are_refused(
    exchange: str, symbols: list[str], told: list[str]
) -> None:
    model = load("embedded")
    model = msgspec.structs.replace(model, feeds={**model.feeds, exchange: symbols})
    assert [words for _, words in inconsistencies(model)] == told


def test_an_orchestrator_is_alone_and_has_an_offload_to_see() -> None:
    model = load("embedded-prefect")
    assert list(inconsistencies(model)) == []
    orchestrator = model.services["prefect-server"]
    twice = msgspec.structs.replace(model, services={**model.services, "other": orchestrator})
    assert [words for _, words in inconsistencies(twice)] == [
        "there can be only one service with part 'orchestrator'"
    ]
    hot = load("embedded")
    alone = msgspec.structs.replace(hot, services={**hot.services, "prefect-server": orchestrator})
    assert [words for _, words in inconsistencies(alone)] == [
        "an 'orchestrator' takes an offload, and both are processes"
    ]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("partitions", 0, "must be at least 1, not 0"),
        ("services/redpanda/memory_mb", -1, "must be at least 1, not -1"),
        ("services/redpanda/disk_mb", -1, "must be at least 0, not -1"),
        ("services/redpanda/port", 65_536, "a port is at most 65535"),
        ("services/redpanda/port", -1, "a port is at most 65535"),
        ("tiers/raw/fresh_within_ms", 0, "must be at least 1, not 0"),
        ("tiers/raw/sample_every_ms", -5, "must be at least 1, not -5"),
    ],
)
def test_a_number_that_can_not_be_is_refused(key: str, value: int, told: str) -> None:
    model = load("embedded")
    if "/" not in key:
        changed = msgspec.structs.replace(model, **{key: value})
    else:
        group, name, attribute = key.split("/")
        members = getattr(model, group)
        one = msgspec.structs.replace(members[name], **{attribute: value})
        changed = msgspec.structs.replace(model, **{group: {**members, name: one}})
    ((where, problem),) = inconsistencies(changed)
    assert ("/".join(map(str, where)), problem.startswith(told)) == (key, True)


@pytest.mark.parametrize(
    ("exchange", "symbols", "told"),
    [
        ("binance", [], "at least one symbol"),
        ("binance", ["BTC/USDT", "BTC/USDT"], "a symbol twice"),
        ("bitfinex", ["BTC/USD"], "binance, kraken, coinbase"),
    ],
)
def test_feeds_that_can_not_be_read_are_refused(exchange: str, symbols: list[str], told: str) -> None:
    model = load("embedded")
    changed = msgspec.structs.replace(model, feeds={**model.feeds, exchange: symbols})
    found = {where: problem for where, problem in inconsistencies(changed) if told in problem}
    assert list(found) == [("feeds", exchange)]


def test_two_exchanges_can_not_share_a_topic() -> None:
    model = load("embedded")
    changed = msgspec.structs.replace(model, topics={**model.topics, "kraken": model.topics["binance"]})
    assert (("topics",), "each exchange has a topic of its own") in list(inconsistencies(changed))


def test_an_exchange_without_a_feed_handler_is_refused() -> None:
    model = load("embedded")
    left = {name: one for name, one in model.services.items() if one.exchange != "kraken"}
    links = {name: one for name, one in model.links.items() if one.client in left and one.server in left}
    changed = msgspec.structs.replace(model, services=left, links=links)
    ((where, problem),) = inconsistencies(changed)
    assert (where, "no feed-handler" in problem) == (("feeds", "kraken"), True)
