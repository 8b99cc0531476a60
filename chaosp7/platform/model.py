"""The model of a platform: what one file in ``platforms/`` says.

::

    Platform
    ├── services   name -> Service     what can be killed, paused, restarted
    ├── links      name -> Link        one client -> server edge through Toxiproxy
    ├── feeds      exchange -> symbols the numbered streams of the source
    ├── topics     exchange -> topic   where the feed handlers write
    └── tiers      in flow order       where a message can be seen

`chaosp7.platform.loader` reads it from YAML and checks that all names belong together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError

T = TypeVar("T")

__all__ = ["ConsumerGroup", "IcebergSource", "Link", "Part", "Platform", "Service", "Tier", "TierKind"]


class Part(StrEnum):
    """What a service is to the data: an embedded part of that kind, or a container that plays it."""

    EXCHANGE = "exchange"
    FEED_HANDLER = "feed-handler"
    KAFKA = "kafka"
    CLICKHOUSE = "clickhouse"
    SILVER_PROCESSOR = "silver-processor"
    TOXIPROXY = "toxiproxy"
    OBJECT_STORE = "object-store"
    CATALOG = "catalog"
    OFFLOAD = "offload"
    ORCHESTRATOR = "orchestrator"
    """A server of Prefect, which sees each run of the offload."""
    OTHER = "other"
    """A container beside the flow of the data: it can be killed, and isn't measured."""


class TierKind(StrEnum):
    """How a tier is read."""

    TOPIC = "topic"
    """Kafka topics, one consumer over all partitions."""
    TABLE = "table"
    """Rows of a ClickHouse table, accounted inside ClickHouse."""
    CANDLES = "candles"
    """OHLCV candles in ClickHouse, checked by recomputing them from the ledger."""
    ICEBERG = "iceberg"
    """Rows of an Iceberg table, read from its data files."""
    ICEBERG_CANDLES = "iceberg-candles"
    """The candles of a tier before it, in an Iceberg table that holds versions of each."""


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that can be killed, paused or restarted.

    Attributes:
        part: what it is.
        restart: ``on-crash`` has the supervisor start it again after it ended by itself or by a
            signal that didn't come from the supervisor; ``no`` leaves it down.
        exchange: the exchange that a feed handler listens to.
        port: a fixed TCP port of its main endpoint; 0 takes a free one.
        memory_mb: heap limit of the broker, in MiB.
        disk_mb: size of a disk of its own for its data, MiB; 0: it shares this machine's. Takes root.
        adjustable_clock: start it so that its clock can be turned, with libfaketime; a feed handler or the
            silver processor as a process only.
        planted: bugs that the part is to have, see `chaosp7.embedded.planted`: for tests of the account.
        container: (docker) name of its container, or ``label:KEY=VALUE`` of the one that has this
            label; empty where we make the containers.
        address: (docker) where this machine reaches it, ``host:port``; empty if it needn't.
    """

    part: Part
    restart: Literal["on-crash", "no"] = "on-crash"
    exchange: str = ""
    port: int = 0
    memory_mb: int = 384
    disk_mb: int = 0
    adjustable_clock: bool = False
    planted: list[str] = []
    container: str = ""
    address: str = ""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One client -> server edge that runs through a Toxiproxy proxy of its own.

    Attributes:
        client: the service that opens the connections.
        server: the service that accepts them.
        listen_port: (docker) port of its proxy inside of Toxiproxy's container; 0 where we make them.
    """

    client: str
    server: str
    listen_port: int = 0


class ConsumerGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Kafka consumer group whose lag can be probed.

    Attributes:
        group: the group's id.
        topic: the topic that it consumes.
        service: the service that its members are.
    """

    group: str
    topic: str
    service: str


class IcebergSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the rows of an Iceberg tier are.

    Attributes:
        table: ``namespace.table``.
        catalog: PyIceberg's properties of the catalog and the object store (``type``, ``uri``,
            ``s3.endpoint``, ...). ``{service}`` in a value stands for where this machine reaches that
            service past all links, ``host:port``; ``{env:NAME}`` for a variable of the environment,
            so that no secret need be in the file.
        columns: what its columns are called, our name -> column. Kind ``iceberg``: ``exchange, symbol,
            sequence, price, quantity, side, trade_time``. Kind ``iceberg-candles``: ``exchange, symbol,
            window_s, window_start, open, high, low, close, volume, quote_volume, trade_count, version``;
            without ``window_s`` all candles are of the tier's one length. Of a candle's rows the one with
            the highest version counts.
        buy: (``iceberg``) how the side of a purchase is written.
        sell: and that of a sale; any other is no trade's.
    """

    table: str
    catalog: dict[str, str]
    columns: dict[str, str]
    buy: str = "BUY"
    sell: str = "SELL"

    @property
    def sides(self) -> tuple[str, str]:
        """How the sides are written, by the number that the ledger has for each."""
        return self.buy, self.sell


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place where a message can be seen.

    Attributes:
        kind: how it is read.
        service: the service that holds it.
        fresh_within_ms: the steady state's tolerance of its freshness, milliseconds.
        sample_every_ms: how often the recorder looks at it where it matters, milliseconds.
        rows: table (``database.table``) -> SELECT over it; together they are the tier. Kind
            ``table``: of ``exchange, symbol, sequence, price_e8, quantity_e8, side,
            trade_time_ms``. Kind ``candles``: of ``window_s, exchange, symbol, window_start_s,
            open_e8, high_e8, low_e8, close_e8, volume_e8, quote_volume_e8, trade_count``.
            A table that gets no new part has nothing new: only the others' SELECTs are run again.
        windows_s: (``candles``, ``iceberg-candles``) lengths of the windows, seconds.
        iceberg: (``iceberg``, ``iceberg-candles``) the table.
    """

    kind: TierKind
    service: str
    fresh_within_ms: int
    sample_every_ms: int
    rows: dict[str, str] = {}
    windows_s: list[int] = []
    iceberg: IcebergSource | None = None

    @property
    def fresh_within_ns(self) -> int:
        """The tolerance of its freshness, nanoseconds."""
        return self.fresh_within_ms * 1_000_000

    @property
    def all_rows(self) -> str:
        """One SELECT of everything that the tier holds."""
        return " UNION ALL ".join(self.rows.values())


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The system under test.

    Attributes:
        name: what it is called in reports and, for the process driver, its state folder.
        driver: how its services are reached.
        feeds: exchange -> canonical symbols.
        services: by name.
        links: by name, ``<from>-><to>`` along the flow of the data.
        topics: exchange -> raw topic.
        partitions: partitions of each topic.
        tiers: in flow order.
        consumer_groups: whose lag can be probed.
        path: the file it was read from.
    """

    name: str
    driver: Literal["process", "docker"]
    feeds: dict[str, list[str]]
    services: dict[str, Service]
    links: dict[str, Link]
    topics: dict[str, str]
    partitions: int = 3
    tiers: dict[str, Tier]
    consumer_groups: list[ConsumerGroup] = []
    path: Path = Path()

    @property
    def made_by_us(self) -> bool:
        """Whether we bring its services up; containers that have names are somebody else's."""
        return not any(service.container for service in self.services.values())

    def feed_list(self) -> list[Feed]:
        """Return all feeds, in the file's order: the order that ledgers and journals index."""
        return [Feed(exchange, symbol) for exchange, symbols in self.feeds.items() for symbol in symbols]

    def service(self, name: str) -> Service:
        """Return a service by its name.

        Raises:
            ConfigError: if there is none; the message names those there are.
        """
        return _named(self.services, name, "service", self)

    def link(self, name: str) -> Link:
        """Return a link by its name.

        Raises:
            ConfigError: if there is none; the message names those there are.
        """
        return _named(self.links, name, "link", self)

    def tier(self, name: str) -> Tier:
        """Return a tier by its name.

        Raises:
            ConfigError: if there is none; the message names those there are.
        """
        return _named(self.tiers, name, "tier", self)

    @property
    def copies(self) -> dict[str, str]:
        """Tier of kind ``iceberg-candles`` -> the tier of kind ``candles`` before it, whose copy it is."""
        result = {}
        original = None
        for name, tier in self.tiers.items():
            if tier.kind is TierKind.CANDLES:
                original = name
            elif tier.kind is TierKind.ICEBERG_CANDLES and original is not None:
                result[name] = original
        return result

    def services_of(self, part: Part) -> list[str]:
        """Return the names of the services that are this part, in the file's order."""
        return [name for name, service in self.services.items() if service.part is part]

    def the_service(self, part: Part) -> str:
        """Return the name of the one service that is this part (the loader made sure of one)."""
        return self.services_of(part)[0]


def _named(things: Mapping[str, T], name: str, kind: str, platform: Platform) -> T:
    try:
        return things[name]
    except KeyError:
        known = ", ".join(things)
        raise ConfigError(f"unknown {kind} {name!r} in {platform.path}; there are: {known}") from None
