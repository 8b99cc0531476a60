"""Runs a group of planted bugs on a fresh platform and says of each whether the account found it.

The expectation is exact: what the parts say they have damaged is what the account must name, at that
tier, in that class, and nothing else at any other.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

import requests
import yaml

from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import GoldAccount
from chaosp7.embedded import fake_clock
from chaosp7.embedded.planted import HITS_FILE, HITS_TABLE, PLANTED_ENV, Hit, read_hits
from chaosp7.embedded.silver_processor.planted import RELEASE_FILE
from chaosp7.errors import MeasurementError
from chaosp7.platform.loader import load
from chaosp7.recorder.drain import DrainTimes
from chaosp7.run import evidence as ev
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from tests.chaos import PLATFORM
from tests.faulty.catalogue import BUGS, FEEDS, Bug, bugs_of

__all__ = ["GROUPS", "Result", "run_group"]

RATE_PER_S = 630  # 30 of each feed
DURATION_S = 6.0
#: Less than a usual run's 20 s: nothing here is slow, and what is held back is held until the drain is over.
INCOMPLETE_S = 6.0
#: Where ClickHouse is restarted under a statement of the silver processor: that gives up after 5 s, and asks
#: again whether it was done.
INCOMPLETE_AFTER_A_RESTART_S = 12.0

Wanted = dict[str, dict[MessageClass, dict[Feed, set[int]]]]


@dataclass
class Result:
    """What the account made of one bug."""

    bug: Bug
    verdict: str
    hits: int = 0
    first_tier: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether it was found, and called what it is."""
        return not self.problems


class _Hook(logging.Handler):
    """Does something when a run says something."""

    def __init__(self, actions: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._actions = actions

    def emit(self, record: logging.LogRecord) -> None:
        for words, action in self._actions.items():
            if words in record.getMessage():
                action()


@contextmanager
def _hooked(**actions: Callable[[], object]) -> Iterator[None]:
    hook = _Hook({words.replace("_", " "): action for words, action in actions.items()})
    logger = logging.getLogger("chaostoolkit")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(hook)
    try:
        yield
    finally:
        logger.removeHandler(hook)
        logger.setLevel(level)


def platform_file(group: str, folder: Path) -> Path:
    """Write the shipped platform with a group's bugs in it."""
    content = yaml.safe_load(PLATFORM.read_text())
    if group == "cold":
        more = yaml.safe_load(PLATFORM.with_name("embedded-cold.yaml").read_text())
        for key in ("services", "links", "tiers"):
            content[key] |= more[f"{key}+"]
    content["feeds"] = FEEDS
    content["name"] = "faulty"
    for bug in bugs_of(group):
        if bug.service:
            content["services"][bug.service].setdefault("planted", []).append(bug.planted)
    if group == "tables":
        content["services"]["exchange"]["planted"] = ["sends-empty-field=kraken ETH/USD"]
    if group == "handler" and _clock_can_be_turned():
        content["services"]["feed-handler-binance"]["adjustable_clock"] = True
    path = folder / "faulty.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _clock_can_be_turned() -> bool:
    return any(
        list(Path("/").glob(f"{folder[1:]}/libfaketimeMT.so.1")) for folder in fake_clock.LIBRARY_FOLDERS
    )


def run_group(group: str, folder: Path) -> list[Result]:
    """Bring a platform with a group's bugs up, run it, and compare.

    Args:
        group: one of `GROUPS`.
        folder: for all files.
    """
    silence_s = INCOMPLETE_AFTER_A_RESTART_S if group in {"gold", "restarts"} else INCOMPLETE_S
    with ExitStack() as stack:
        stack.enter_context(
            patch.dict(os.environ, {PLANTED_ENV: "1", "CHAOSP7_STATE_DIR": str(folder / "s")})
        )
        stack.enter_context(patch("chaosp7.run.rest.DrainTimes", partial(DrainTimes, incomplete_s=silence_s)))
        stack.enter_context(patch("chaosp7.run.accounting._QUERY_TIMEOUT_S", 4.0))
        model = load(platform_file(group, folder))
        plan = RunPlan(
            experiment=group, rate_per_s=RATE_PER_S, duration_s=DURATION_S, settle_s=2, seed=3,
            budget=ev.Budget(), drain_deadline_s=60, faults_expected=0, reports=folder / "reports",
        )  # fmt: skip
        driver = Run(model, plan).driver
        driver.up()
        try:
            if group == "errors":
                return [_error(Run(model, plan), bug) for bug in bugs_of(group)]
            return _compared(Run(model, plan), group)
        finally:
            driver.down()


#: Above the rows that the restored backup lacks, and those that it must have had beside them.
_HELD_BY_SILVER = 95

# What is done to the platform while it is under load.


def _sql(run: Run, sql: str) -> str:
    answer = requests.post(f"http://{run.driver.endpoint('clickhouse')}/", data=sql.encode(), timeout=30)
    assert answer.ok, answer.text
    return answer.text


def _handler(run: Run) -> None:
    _until_sent(run, 2.0)
    if run.model.services["feed-handler-binance"].adjustable_clock:
        fake_clock.turn(run.driver.data_folder("feed-handler-binance"), -3600)
    time.sleep(1)
    run.driver.pause("redpanda")
    time.sleep(1)
    run.driver.crash("redpanda")


def _gold(run: Run) -> None:
    _until_sent(run, 3.0)
    run.driver.crash("silver-processor")
    _until_sent(run, 4.5)
    # On a busy machine silver is behind: of what isn't there yet no backup can lack anything.
    feed = run.recorder.source.feeds.index(Feed("binance", "BNB/USDT"))
    deadline_s = time.monotonic() + 20
    while run.timelines["silver"].heads()[feed] <= _HELD_BY_SILVER:
        assert time.monotonic() < deadline_s, "silver stays behind"
        time.sleep(0.05)
    run.driver.restart("clickhouse")


def _restarts(run: Run) -> None:
    _until_sent(run, 4.0)
    run.driver.restart("clickhouse")


def _until_sent(run: Run, of_the_load_s: float) -> None:
    while run.load_status()[0].sent < of_the_load_s * RATE_PER_S:
        time.sleep(0.05)


#: Group -> what happens in it.
GROUPS: dict[str, Callable[[Run], None]] = {
    "handler": _handler,
    "tables": lambda _: None,
    "gold": _gold,
    "restarts": _restarts,
    "cold": lambda _: None,
    "errors": lambda _: None,
}


def _error(run: Run, bug: Bug) -> Result:
    problems = []

    def truncate() -> None:
        size = run.ledger.stat().st_size
        os.truncate(run.ledger, size - 64 * 20)

    try:
        run.start()
        with _hooked(**({"Accounting_for": truncate} if bug.name == "truncated-ledger" else {})):
            try:
                run.finish()
                problems.append("the account was made all the same")
            except MeasurementError as error:
                run.errors.append(str(error))
        evidence = run.conclude({"status": "completed"})
    finally:
        run.release()
    if evidence.verdict != bug.verdict:
        problems.append(f"verdict {evidence.verdict}, not {bug.verdict}: {evidence.reasons}")
    if evidence.tiers:
        problems.append("tiers are reported, though nothing could be measured")
    return Result(bug, evidence.verdict, 1, "", problems)


def _compared(run: Run, group: str) -> list[Result]:
    def at_rest() -> None:
        if group == "tables":
            _sql(run, "OPTIMIZE TABLE k2.bronze_trades_kraken FINAL")

    release = run.driver.data_folder("silver-processor") / RELEASE_FILE
    try:
        run.start()
        GROUPS[group](run)
        with _hooked(Accounting_for=at_rest, messages_are_missing=release.touch):
            run.finish()
        hits = _hits(run, group)
        evidence = run.conclude({"status": "completed"})
    finally:
        run.release()
    return _judged(run, group, hits, evidence.verdict)


def _hits(run: Run, group: str) -> dict[str, list[Hit]]:
    """Return what each bug has damaged."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for service in {bug.service for bug in bugs_of(group)} | {"exchange"}:
        for hit in read_hits(run.driver.data_folder(service) / HITS_FILE):
            found[hit.bug].append(hit)
    table = f"SELECT DISTINCT bug, exchange, symbol, sequence FROM {HITS_TABLE}"
    for line in _sql(run, table).splitlines() if run.model.services["clickhouse"].planted else ():
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
    for line in _sql(run, f"SELECT {symbol}, sequence FROM {table}").splitlines():
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


#: Bugs that can't know themselves what they have damaged.
_ASKED: dict[str, Callable[[Run, Bug], list[Hit]]] = {
    "sends-without-acks": lambda run, bug: _without(run, bug, "k2.raw_trades_kraken", "symbol"),
    "answers-stale": lambda run, bug: _without(run, bug, "k2.planted_answers_stale", "symbol"),
    "collapses-twins": _twins,
}


def _judged(run: Run, group: str, hits: dict[str, list[Hit]], verdict: str) -> list[Result]:
    bounds = next(a.bounds for a in run.accounts().tiers.values() if isinstance(a, TierAccount))
    wanted: Wanted = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    results = {}
    feeds: dict[Feed, list[Result]] = defaultdict(list)
    for bug in bugs_of(group):
        # Numbers beyond what was sent aren't in the account of sent messages.
        mine = [h for h in hits[bug.name] if bounds[h.feed].first <= h.sequence <= bounds[h.feed].last]
        results[bug.name] = _happened(bug, mine, verdict)
        for feed in {hit.feed for hit in mine}:
            feeds[feed].append(results[bug.name])
        for effect in bug.effects:
            for tier in effect.tiers:
                for hit in mine:
                    if hit.role == effect.role:
                        wanted[tier][effect.kind][hit.feed].add(hit.sequence)
        _check_first_tier(run, results[bug.name], mine)
    for tier, feed, problem in _differences(run, wanted):
        for result in feeds[feed] or results.values():
            result.problems.append(f"{tier} {feed}: {problem}")
    _check_gold(run, list(results.values()))
    return list(results.values())


def _happened(bug: Bug, hits: list[Hit], verdict: str) -> Result:
    """See that a bug has done its damage, as often as it should."""
    result = Result(bug, verdict, len({(hit.feed, hit.sequence, hit.role) for hit in hits}))
    if bug.effects:
        result.first_tier = bug.effects[0].tiers[0]
    if bug.effects and not hits:
        result.problems.append("it didn't happen")
    if bug.count is not None and result.hits != bug.count:
        result.problems.append(f"it happened {result.hits} times, not {bug.count}")
    if verdict != bug.verdict:
        result.problems.append(f"verdict {verdict}, not {bug.verdict}")
    return result


def _differences(run: Run, wanted: Wanted) -> Iterator[tuple[str, Feed, str]]:
    """Yield where the account says something else than what was done."""
    for tier, account in run.accounts().tiers.items():
        if not isinstance(account, TierAccount):
            continue
        graver: dict[Feed, set[int]] = defaultdict(set)
        for kind in MessageClass:
            if kind is MessageClass.DELIVERED:
                continue
            for feed in account.bounds:
                right = wanted[tier][kind][feed] - graver[feed]
                told = set(account.sequences(kind).get(feed, ()))
                graver[feed] |= right
                # A merge takes twins away whenever it likes, before silver has read them or after.
                if tier == "silver" and not right and told <= wanted["bronze"][kind][feed]:
                    continue
                if told != right:
                    yield (
                        tier,
                        feed,
                        f"{kind}: missed {sorted(right - told)}, too many {sorted(told - right)}",
                    )
        if account.unexpected_rows:
            yield tier, next(iter(account.bounds)), f"{account.unexpected_rows} unexpected"


def _check_first_tier(run: Run, result: Result, hits: list[Hit]) -> None:
    """See that what is lost is put down to the right tier and cause."""
    for effect in result.bug.effects:
        if effect.kind is not MessageClass.LOST:
            continue
        loss = next(one for one in run.accounts().attribution.tiers if one.tier == effect.tiers[0])
        for hit in hits:
            if hit.role != effect.role or hit.sequence not in loss.lost_here.get(hit.feed, ()):
                if hit.role == effect.role:
                    result.problems.append(f"{hit.feed} {hit.sequence} isn't put down to {effect.tiers[0]}")
                continue
            if result.bug.cause and hit.sequence not in getattr(loss, result.bug.cause).get(hit.feed, ()):
                result.problems.append(f"{hit.feed} {hit.sequence} isn't called {result.bug.cause}")


def _check_gold(run: Run, results: list[Result]) -> None:
    (account,) = (a for a in run.accounts().tiers.values() if isinstance(a, GoldAccount))
    bounds = next(a.bounds for a in run.accounts().tiers.values() if isinstance(a, TierAccount))
    right: dict[str, int] = dict.fromkeys(("lost", "corrupted", "duplicated", "unexpected"), 0)
    feeds = set()
    for result in results:
        for kind, what in result.bug.gold:
            feed = Feed(*result.bug.target.split(" "))
            feeds.add(feed)
            result.first_tier = "gold"
            result.hits = result.hits if what == "hits" else bounds[feed].size
            right[kind] += result.hits
            if not result.hits:
                result.problems.append("it didn't happen")
    worst = account.worst
    told = {
        "lost": worst.lost_here,
        "corrupted": worst.corrupted - worst.corrupted_inherited,
        "duplicated": worst.duplicated - worst.duplicated_inherited,
        "unexpected": worst.unexpected,
    }
    if told != right:
        for result in [r for r in results if r.bug.gold] or results:
            result.problems.append(f"gold is blamed for {told}, not for {right}")
    named = {finding.key.feed for window in account.windows for finding in window.findings}
    for result in results:
        if result.bug.gold and Feed(*result.bug.target.split(" ")) not in named:
            result.problems.append("no candle of its feed is named")


assert {bug.group for bug in BUGS} == GROUPS.keys()
