"""The planted bugs: what each does, and what the account must say of it."""

from __future__ import annotations

from dataclasses import dataclass

from chaosp7.account.classes import MessageClass

__all__ = ["BUGS", "FEEDS", "Bug", "Effect", "bugs_of"]

#: A feed for each bug, so that many fit into one run without touching each other.
FEEDS = {
    "binance": [f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "BNB", "ADA", "XRP", "DOT", "LTC", "TRX")],
    "kraken": [f"{base}/USD" for base in ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT")],
    "coinbase": [f"{base}/USD" for base in ("BTC", "ETH", "SOL", "ADA", "XRP", "DOT")],
}

BINANCE, KRAKEN, COINBASE = (f"feed-handler-{name}" for name in ("binance", "kraken", "coinbase"))
LOST, LATE, CORRUPTED = MessageClass.LOST, MessageClass.LATE, MessageClass.CORRUPTED
DUPLICATED, REORDERED = MessageClass.DUPLICATED, MessageClass.REORDERED
FROM_TOPIC = ("topic", "raw", "bronze", "silver")
FROM_RAW, FROM_BRONZE, SILVER = FROM_TOPIC[1:], FROM_TOPIC[2:], ("silver",)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the account must say of the messages that a bug damages.

    Attributes:
        kind: their class.
        tiers: where; the first one is to blame, the others got it from there.
        role: of which messages, where a bug does several things to several.
    """

    kind: MessageClass
    tiers: tuple[str, ...]
    role: str = ""


@dataclass(frozen=True, slots=True)
class Bug:
    """One planted bug.

    Attributes:
        name: its name; where the part has it under another one, see `planted`.
        group: bugs of one group are in one run.
        service: which part has it; empty: the tool itself.
        target: ``EXCHANGE SYMBOL``, or an exchange.
        what: what it does, in words.
        effects: what the account must say.
        count: how many messages it damages; None: as many as it happens to.
        cause: of what is lost at the topic.
        candles: class -> "feed" (all of the feed's messages) or "hits", where candles are to blame.
        candles_of: the tier of those candles.
        verdict: of a run with it.
    """

    name: str
    group: str
    service: str
    target: str
    what: str
    effects: tuple[Effect, ...] = ()
    count: int | None = None
    cause: str = ""
    candles: tuple[tuple[str, str], ...] = ()
    candles_of: str = "gold"
    verdict: str = "deviated"

    @property
    def planted(self) -> str:
        """The switch in the platform file."""
        return f"{self.name}={self.target}" if self.target else self.name


def lost(*tiers: str, role: str = "") -> tuple[Effect, ...]:
    return (Effect(LOST, tiers, role),)


BUGS: tuple[Bug, ...] = (
    Bug("sends-without-acks", "handler", KRAKEN, "kraken ETH/USD",
        "acks=0 while the broker stands still and is killed", lost(*FROM_TOPIC), cause="acknowledged"),
    Bug("drops-when-full", "handler", BINANCE, "binance BTC/USDT",
        "drops what comes while the producer's queue is full", lost(*FROM_TOPIC), cause="unacknowledged"),
    Bug("sends-again", "handler", BINANCE, "binance ETH/USDT",
        "a retry without idempotence: sent twice", (Effect(DUPLICATED, FROM_TOPIC),), 20),
    Bug("sends-late", "handler", BINANCE, "binance SOL/USDT",
        "a retry without idempotence: overtaken by the next message", (Effect(REORDERED, ("topic",)),), 20),
    Bug("changes-key", "handler", BINANCE, "binance BNB/USDT",
        "another partition key for every fifth message", (Effect(REORDERED, ("topic",)),), 20),
    Bug("names-another-symbol", "handler", BINANCE, "binance ADA/USDT+XRP/USDT",
        "sends a message under another feed's symbol",
        (Effect(LOST, FROM_TOPIC, "missing"), Effect(CORRUPTED, FROM_TOPIC, "taken")), 40, "acknowledged"),
    Bug("mixes-sequences", "handler", COINBASE, "coinbase BTC/USD+ETH/USD",
        "one counter for two symbols: a message gets the other one's last sequence",
        (Effect(LOST, FROM_TOPIC, "missing"), Effect(CORRUPTED, FROM_TOPIC, "taken")), cause="acknowledged"),
    Bug("stamps-its-own-time", "handler", BINANCE, "binance DOT/USDT",
        "puts its own time into the trade, while its clock is stepped back by an hour",
        (Effect(CORRUPTED, FROM_TOPIC),)),
    Bug("forwards-nothing", "handler", COINBASE, "coinbase SOL/USD",
        "healthy, but never forwards one symbol", lost(*FROM_TOPIC), cause="missed_at_source"),
    Bug("claims-acks", "handler", COINBASE, "coinbase ADA/USD",
        "journals an acknowledgement of what it never sent", lost(*FROM_TOPIC), 20, "acknowledged"),
    Bug("prices-as-float", "tables", "clickhouse", "binance BTC/USDT",
        "prices go through a 32-bit float", (Effect(CORRUPTED, FROM_BRONZE),)),
    Bug("cuts-times", "tables", "clickhouse", "binance ETH/USDT",
        "time stamps are cut to seconds", (Effect(CORRUPTED, FROM_BRONZE),)),
    Bug("drops-block-of-bad-row", "tables", "clickhouse", "binance SOL/USDT",
        "a view fails on one bad row and drops its block", lost(*FROM_BRONZE)),
    Bug("swaps-sides", "tables", "clickhouse", "coinbase BTC/USD",
        "buy and sell are swapped", (Effect(CORRUPTED, FROM_BRONZE),), 20),
    Bug("cuts-quantities", "tables", "clickhouse", "coinbase ETH/USD",
        "quantities are cut to four digits", (Effect(CORRUPTED, FROM_BRONZE),)),
    Bug("drops-empty-fields", "tables", "clickhouse", "kraken ETH/USD",
        "a view leaves out rows with an empty field", lost(*FROM_BRONZE), 20),
    Bug("collapses-twins", "tables", "clickhouse", "kraken SOL/USD",
        "a ReplacingMergeTree by time and price, as in K2, takes two trades for one", lost("bronze")),
    Bug("drops-small-as-invalid", "tables", "silver-processor", "coinbase SOL/USD",
        "takes valid rows for invalid ones and drops them", lost("silver")),
    Bug("holds-back", "tables", "silver-processor", "coinbase ADA/USD",
        "writes some rows only after the drain", (Effect(LATE, SILVER),), 20),
    Bug("labels-by-end", "gold", "clickhouse", "binance SOL/USDT",
        "a candle has its window's end for its start", candles=(("lost", "feed"), ("unexpected", "feed"))),
    Bug("swaps-high-and-low", "gold", "clickhouse", "binance ETH/USDT",
        "a candle's high and low are swapped", candles=(("corrupted", "feed"),)),
    # Of a feed whose price hardly comes back to a cent: a candle that ends as it began would be right.
    Bug("closes-with-first", "gold", "clickhouse", "binance BTC/USDT",
        "a candle closes with its earliest trade", candles=(("corrupted", "feed"),)),
    Bug("repairs-twice", "gold", "silver-processor", "binance XRP/USDT",
        "gives the candles their last batches again after a crash", candles=(("duplicated", "hits"),)),
    Bug("restores-with-hole", "gold", "clickhouse", "binance BNB/USDT",
        "silver comes back from a backup that lacks some rows", lost("silver"), 21),
    Bug("answers-stale", "gold", "clickhouse", "coinbase",
        "raw answers from an old copy of itself", lost("raw")),
    Bug("skips-batch", "restarts", "clickhouse", "coinbase",
        "a consumer skips a batch after a rebalance", lost(*FROM_RAW), 50),
    Bug("replays-segment", "restarts", "clickhouse", "kraken",
        "an old segment is taken once more", (Effect(DUPLICATED, ("raw",)),), 50),
    Bug("commits-before-write", "restarts", "silver-processor", "kraken",
        "notes its offset before the write, and dies in between", lost("silver")),
    Bug("commits-after-write", "restarts", "silver-processor", "binance",
        "notes its offset after the write, dies in between, and doesn't look for doubles",
        (Effect(DUPLICATED, SILVER),)),
    Bug("moves-watermark-first", "cold", "offload", "",
        "moves its watermark before the commit, and never comes to that", lost("cold")),
    Bug("rereads-window", "cold", "offload", "",
        "offloads a window once more", (Effect(DUPLICATED, ("cold",)),)),
    Bug("offloads-candles-once", "cold", "offload", "kraken ETH/USD",
        "takes a feed's candles once and none of their newer versions",
        candles=(("lost", "hits"),), candles_of="cold-gold"),
    Bug("truncated-ledger", "errors", "", "", "the ledger loses its end before the account", verdict="error"),
    Bug("cut-journal", "journal", "", "",
        "a handler's journal loses its end before the account", verdict="error"),
    Bug("hangs", "errors", "clickhouse", "kraken", "a tier never answers the account", verdict="error"),
)  # fmt: skip


def bugs_of(group: str) -> tuple[Bug, ...]:
    """Return the bugs of one group."""
    return tuple(bug for bug in BUGS if bug.group == group)
