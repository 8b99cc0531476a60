"""Do the names of a platform file belong together?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from chaosp7.account.readers.raw_formats import EXCHANGES, native_symbol
from chaosp7.embedded.planted import PLANTED_ENV, allowed
from chaosp7.platform.model import Part, Platform, Service, Tier, TierKind

__all__ = ["Where", "inconsistencies"]

#: The way to a place in a file: keys and list indices from its top.
Where = tuple[str | int, ...]
_Problems = Iterator[tuple[Where, str]]

_TABLE = re.compile(r"\w+\.\w+")
_ADDRESS = re.compile(r"[^\s:]+:\d{1,5}")

#: Parts of which a platform has exactly one: others find them by what they are.
_SINGLE_PARTS = (Part.EXCHANGE, Part.KAFKA, Part.CLICKHOUSE, Part.TOXIPROXY, Part.SILVER_PROCESSOR)

#: In somebody's Compose file it may be a view inside of ClickHouse.
_OPTIONAL_PARTS = (Part.SILVER_PROCESSOR,)

#: The cold tier: all three or none, and on somebody's own containers any of them.
_COLD_PARTS = (Part.OBJECT_STORE, Part.CATALOG, Part.OFFLOAD)

#: They tell their time; nothing that measures goes by it.
_ADJUSTABLE_PARTS = (Part.FEED_HANDLER, Part.SILVER_PROCESSOR)

#: Our own ones, which can be made wrong.
_PLANTED_PARTS = (
    Part.EXCHANGE, Part.FEED_HANDLER, Part.CLICKHOUSE, Part.SILVER_PROCESSOR, Part.OFFLOAD,
)  # fmt: skip

#: What is read of each row of an Iceberg tier.
_ICEBERG_COLUMNS = {
    TierKind.ICEBERG: {"exchange", "symbol", "sequence", "price", "quantity", "side", "trade_time"},
    TierKind.ICEBERG_CANDLES: {
        "exchange", "symbol", "window_s", "window_start", "open", "high", "low", "close", "volume",
        "quote_volume", "trade_count", "version",
    },
}  # fmt: skip
#: The kinds of tiers that have candles.
_WINDOWED = (TierKind.CANDLES, TierKind.ICEBERG_CANDLES)

_PORT_MAX = 65_535

#: What a run itself talks to.
_REACHED_PARTS = (Part.EXCHANGE, Part.KAFKA, Part.CLICKHOUSE, Part.TOXIPROXY)


def inconsistencies(platform: Platform) -> _Problems:
    """Yield every place where names don't belong together, with what is wrong there."""
    for check in (
        _numbers,
        _feeds,
        _parts,
        _orchestrators,
        _feed_handlers,
        _links,
        _topics,
        _tiers,
        _consumer_groups,
    ):
        yield from check(platform)


def _numbers(platform: Platform) -> _Problems:
    """What can't be so few, so much."""
    at_least: list[tuple[Where, int, int]] = [(("partitions",), platform.partitions, 1)]
    for name, service in platform.services.items():
        at = ("services", name)
        at_least += [((*at, "memory_mb"), service.memory_mb, 1), ((*at, "disk_mb"), service.disk_mb, 0)]
        if not 0 <= service.port <= _PORT_MAX:
            yield (*at, "port"), f"a port is at most {_PORT_MAX}; 0: a free one"
    for name, tier in platform.tiers.items():
        for key in ("fresh_within_ms", "sample_every_ms"):
            at_least.append((("tiers", name, key), getattr(tier, key), 1))
    for where, value, least in at_least:
        if value < least:
            yield where, f"must be at least {least}, not {value}"


def _feeds(platform: Platform) -> _Problems:
    for exchange, symbols in platform.feeds.items():
        if exchange not in EXCHANGES:
            known = ", ".join(EXCHANGES)
            yield ("feeds", exchange), f"messages of this exchange can't be read; of these they can: {known}"
        if not symbols:
            yield ("feeds", exchange), "needs at least one symbol"
        if len(set(symbols)) < len(symbols):
            yield ("feeds", exchange), "names a symbol twice"
        alike = defaultdict(set)
        for symbol in symbols:
            alike[native_symbol(exchange, symbol) or symbol].add(symbol)
        for native, names in alike.items():
            if len(names) > 1:
                yield ("feeds", exchange), f"{' and '.join(sorted(names))} are one to the exchange: {native}"


def _unknown_service(platform: Platform, name: str, where: Where) -> _Problems:
    if name not in platform.services:
        yield where, f"unknown service {name!r}; there are: {', '.join(platform.services)}"


def _parts(platform: Platform) -> _Problems:
    for part in _SINGLE_PARTS:
        count = len(platform.services_of(part))
        if count > 1 or (count == 0 and not (part in _OPTIONAL_PARTS and not platform.made_by_us)):
            yield ("services",), f"there must be exactly one service with part {part.value!r}"
    counts = {part: len(platform.services_of(part)) for part in _COLD_PARTS}
    for part, count in counts.items():
        if count > 1 or (count == 0 and any(counts.values()) and platform.made_by_us):
            yield ("services",), f"a cold tier has exactly one service with part {part.value!r}"
    for name, service in platform.services.items():
        if platform.driver == "process" and (service.container or service.part is Part.OTHER):
            yield ("services", name), "only the docker driver has containers"
        if service.adjustable_clock and not (
            platform.driver == "process" and service.part in _ADJUSTABLE_PARTS
        ):
            problem = "only a feed-handler or silver-processor as a process has a clock that can be turned"
            yield ("services", name, "adjustable_clock"), problem
        if service.planted:
            yield from _planted(platform, name, service)
        if not platform.made_by_us:
            yield from _container(name, service)


def _orchestrators(platform: Platform) -> _Problems:
    there = platform.services_of(Part.ORCHESTRATOR)
    if len(there) > 1:
        yield ("services",), f"there can be only one service with part {Part.ORCHESTRATOR.value!r}"
    by_process = platform.driver == "process" and platform.services_of(Part.OFFLOAD)
    if there and platform.made_by_us and not by_process:
        yield ("services",), f"an {Part.ORCHESTRATOR.value!r} takes an offload, and both are processes"


def _planted(platform: Platform, name: str, service: Service) -> _Problems:
    where = ("services", name, "planted")
    if not allowed():
        yield where, f"a planted bug is for tests of chaosp7 alone: {PLANTED_ENV}=1 is needed"
    if platform.driver != "process" or service.part not in _PLANTED_PARTS:
        yield where, f"only a process of part {', '.join(_PLANTED_PARTS)} can have planted bugs"


def _container(name: str, service: Service) -> _Problems:
    if not service.container:
        yield ("services", name), "names no container, but others do"
    if service.part in _REACHED_PARTS and not _ADDRESS.fullmatch(service.address):
        yield (
            ("services", name, "address"),
            f"a {service.part} needs the address, 'host:port', where this machine reaches it",
        )


def _feed_handlers(platform: Platform) -> _Problems:
    for name in platform.services_of(Part.FEED_HANDLER):
        exchange = platform.services[name].exchange
        if exchange not in platform.feeds:
            problem = f"a feed-handler names an exchange of 'feeds', not {exchange!r}"
            yield ("services", name, "exchange"), problem
    if platform.services_of(Part.FEED_HANDLER):
        handled = {platform.services[name].exchange for name in platform.services_of(Part.FEED_HANDLER)}
        for exchange in platform.feeds.keys() - handled:
            yield (
                ("feeds", exchange),
                "no feed-handler takes this exchange's messages: none would ever arrive",
            )


def _links(platform: Platform) -> _Problems:
    for name, link in platform.links.items():
        yield from _unknown_service(platform, link.client, ("links", name, "client"))
        yield from _unknown_service(platform, link.server, ("links", name, "server"))


def _topics(platform: Platform) -> _Problems:
    if platform.feeds.keys() != platform.topics.keys():
        yield ("topics",), "names exactly the exchanges of 'feeds'"
    if len(set(platform.topics.values())) < len(platform.topics):
        yield ("topics",), "each exchange has a topic of its own"


def _tiers(platform: Platform) -> _Problems:
    for name, tier in platform.tiers.items():
        yield from _unknown_service(platform, tier.service, ("tiers", name, "service"))
        for key, needed in (
            ("rows", tier.kind in (TierKind.TABLE, TierKind.CANDLES)),
            ("windows_s", tier.kind in _WINDOWED),
            ("iceberg", tier.kind in _ICEBERG_COLUMNS),
        ):
            if needed != bool(getattr(tier, key)):
                yield ("tiers", name), f"a tier of kind {tier.kind} {'needs' if needed else 'has no'} {key!r}"
        yield from _iceberg(platform, name, tier)
        for table in tier.rows:
            if not _TABLE.fullmatch(table):
                yield ("tiers", name, "rows", table), f"a table is named 'database.table', not {table!r}"
        for i, length_s in enumerate(tier.windows_s):
            if length_s < 1:
                yield ("tiers", name, "windows_s", i), "a window has a length of at least 1 s"


def _iceberg(platform: Platform, name: str, tier: Tier) -> _Problems:
    columns = _ICEBERG_COLUMNS.get(tier.kind, set())
    if tier.iceberg is not None and columns:
        named = set(tier.iceberg.columns)
        if tier.kind is TierKind.ICEBERG_CANDLES and len(tier.windows_s) == 1:
            named.add("window_s")
        if named != columns:
            wanted = ", ".join(sorted(columns))
            yield ("tiers", name, "iceberg", "columns"), f"names exactly the columns of {wanted}"
    if tier.kind is TierKind.ICEBERG_CANDLES:
        original = platform.copies.get(name)
        if original is None:
            yield ("tiers", name), "a tier of kind iceberg-candles comes after a tier of kind candles"
        elif not set(tier.windows_s) <= set(platform.tiers[original].windows_s):
            yield ("tiers", name, "windows_s"), f"are some of those of {original!r}, whose copy it is"


def _consumer_groups(platform: Platform) -> _Problems:
    for i, group in enumerate(platform.consumer_groups):
        yield from _unknown_service(platform, group.service, ("consumer_groups", i, "service"))
        if group.topic not in platform.topics.values():
            yield ("consumer_groups", i, "topic"), f"unknown topic {group.topic!r}"
