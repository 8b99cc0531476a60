"""What the planted bugs have damaged: by what their parts say, and for some by a plain look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import requests

from chaosp7.account.feeds import Feed
from chaosp7.embedded.planted import HITS_FILE, HITS_TABLE, Hit, read_hits
from chaosp7.platform.iceberg import filled_in, open_catalog, opened
from chaosp7.run.run import Run
from tests.faulty.catalogue import Bug, bugs_of
from tests.waiting import PATIENCE_S

__all__ = ["hits_of", "sql"]


def sql(run: Run, statement: str) -> str:
    answer = requests.post(
        f"http://{run.driver.endpoint('clickhouse')}/", data=statement.encode(), timeout=PATIENCE_S
    )
    assert answer.ok, answer.text
    return answer.text


def hits_of(run: Run, group: str) -> dict[str, list[Hit]]:
    """Return what each bug has damaged."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for service in {bug.service for bug in bugs_of(group)} | {"exchange"}:
        for hit in read_hits(run.driver.data_folder(service) / HITS_FILE):
            found[hit.bug].append(hit)
    table = f"SELECT DISTINCT bug, exchange, symbol, sequence FROM {HITS_TABLE}"
    for line in sql(run, table).splitlines() if run.model.services["clickhouse"].planted else ():
        bug_name, exchange, symbol, sequence = line.split("\t")
        found[bug_name].append(Hit(bug_name, exchange, symbol, int(sequence)))
    for bug in bugs_of(group):
        if bug.name in _ASKED:
            found[bug.name] = _ASKED[bug.name](run, bug)
    return found


def _without(run: Run, bug: Bug, table: str, symbol: str) -> list[Hit]:
    """Return what a table lacks by a plain look at it."""
    exchange, _, one = bug.target.partition(" ")
    there: dict[str, set[int]] = defaultdict(set)
    for line in sql(run, f"SELECT {symbol}, sequence FROM {table}").splitlines():
        name, sequence = line.split("\t")
        there[name].add(int(sequence))
    return [
        Hit(bug.name, exchange, feed.symbol, n)
        for feed, bounds in run.accounts().tiers["topic"].bounds.items()
        if feed.exchange == exchange and one in {"", feed.symbol}
        for n in range(bounds.first, bounds.last + 1)
        if n not in there[feed.symbol]
    ]


def _twins(run: Run, bug: Bug) -> list[Hit]:
    """Return all but the last of the trades that have one time and price, by the ledger."""
    feed = Feed(*bug.target.split(" "))
    last: dict[tuple[int, int], int] = {}
    hits = []
    for index, records in run.accounts().run.by_feed():
        if run.accounts().run.feeds[index] == feed:
            for record in records:
                key = int(record["trade_time_ms"]), int(record["price_e8"])
                if key in last:
                    hits.append(Hit(bug.name, feed.exchange, feed.symbol, last[key]))
                last[key] = int(record["sequence"])
    return hits


def _beyond_candles(run: Run, bug: Bug) -> list[Hit]:
    """Return a feed's last messages: as many as the candles of some length don't count."""
    feed, tier = Feed(*bug.target.split(" ")), run.model.tiers[bug.candles_of]
    assert tier.iceberg is not None
    source = filled_in(tier.iceberg, run.driver.endpoint)
    newest: dict[int, dict[object, tuple[int, int]]] = {window_s: {} for window_s in tier.windows_s}
    for row in opened(open_catalog(source.catalog), source.table).scan().to_arrow().to_pylist():
        if Feed(row["exchange"], row["symbol"]) == feed:
            of_window = newest[row["window_s"]]
            version = row["last_batch"], row["trade_count"]
            of_window[row["window_start"]] = max(version, of_window.get(row["window_start"], version))
    counted = min(sum(count for _, count in of_window.values()) for of_window in newest.values())
    bounds = run.accounts().tiers["topic"].bounds[feed]
    last = range(bounds.first + counted, bounds.last + 1)
    return [Hit(bug.name, feed.exchange, feed.symbol, sequence) for sequence in last]


#: Bugs that can't know themselves what they have damaged.
_ASKED: dict[str, Callable[[Run, Bug], list[Hit]]] = {
    "sends-without-acks": lambda run, bug: _without(run, bug, "k2.raw_trades_kraken", "symbol"),
    "answers-stale": lambda run, bug: _without(run, bug, "k2.planted_answers_stale", "symbol"),
    "collapses-twins": _twins,
    "offloads-candles-once": _beyond_candles,
}
