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
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from chaosp7.account.acks import ACK_RECORD
from chaosp7.account.feeds import Feed
from chaosp7.embedded import fake_clock
from chaosp7.embedded.planted import PLANTED_ENV
from chaosp7.embedded.silver_processor.planted import RELEASE_FILE
from chaosp7.errors import MeasurementError
from chaosp7.platform.loader import load
from chaosp7.recorder.drain import DrainTimes
from chaosp7.run import evidence as ev
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from tests.faulty.catalogue import BUGS, FEEDS, Bug, bugs_of
from tests.faulty.hits import hits_of, sql
from tests.faulty.judged import Result, judged
from tests.waiting import until

__all__ = ["GROUPS", "platform_file", "run_group"]

RATE_PER_S = 630  # 30 of each feed
DURATION_S = 6.0
#: Less than a usual run's 20 s: nothing here is slow, and what is held back is held until the drain is over.
INCOMPLETE_S = 6.0
#: Where ClickHouse is restarted under a statement of the silver processor: that gives up after 5 s, and asks
#: again whether it was done.
INCOMPLETE_AFTER_A_RESTART_S = 12.0


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
    services: dict[str, dict[str, Any]] = defaultdict(dict)
    for bug in bugs_of(group):
        if bug.service:
            services[f"{bug.service}+"].setdefault("planted", []).append(bug.planted)
    if group == "tables":
        services["exchange+"]["planted"] = ["sends-empty-field=kraken ETH/USD"]
    if group == "handler" and _clock_can_be_turned():
        services["feed-handler-binance+"]["adjustable_clock"] = True
    content = {
        "extends": "embedded-cold" if group == "cold" else "embedded",
        "name": "faulty",
        "driver": "process",
        "feeds": FEEDS,
        "services+": dict(services),
    }
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
            if group in {"errors", "journal"}:
                return [_error(Run(model, plan), bug) for bug in bugs_of(group)]
            return _compared(Run(model, plan), group)
        finally:
            driver.down()


#: From before a run of gold's group to the end of its load, and more, for a busy machine.
_GOLD_LASTS_S = 35

#: Above the rows that the restored backup lacks, and those that it must have had beside them.
_HELD_BY_SILVER = 95

# What is done to the platform while it is under load.


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
    # On a busy machine silver is behind: what isn't there yet nobody can repair twice.
    _until_in_silver(run, Feed("binance", "XRP/USDT"), 1)
    run.driver.crash("silver-processor")
    _until_sent(run, 4.5)
    # Nor can a backup lack any of it.
    _until_in_silver(run, Feed("binance", "BNB/USDT"), _HELD_BY_SILVER)
    run.driver.restart("clickhouse")


def _restarts(run: Run) -> None:
    _until_sent(run, 4.0)
    run.driver.restart("clickhouse")


def _until_in_silver(run: Run, feed: Feed, sequence: int) -> None:
    index = run.recorder.source.feeds.index(feed)
    until(lambda: run.timelines["silver"].heads()[index] > sequence, said=lambda: "silver stays behind")


def _early_in_a_minute() -> None:
    """Wait until a run comes to its end within one minute.

    A candle that is labelled by its window's end takes the place of the next one: where there is a next one,
    the shortest windows show as corrupted what longer ones show as lost, and both count.
    """
    while time.time() % 60 > 60 - _GOLD_LASTS_S:
        time.sleep(0.1)


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
    "journal": lambda _: None,
}


def _error(run: Run, bug: Bug) -> Result:
    problems = []

    def truncate() -> None:
        if bug.name == "truncated-ledger":
            os.truncate(run.ledger, run.ledger.stat().st_size - 64 * 20)
        if bug.name == "cut-journal":
            journal = run.driver.state.acks / "feed-handler-kraken.acks"
            # More than the last confirmations: of these none can be missed.
            os.truncate(journal, journal.stat().st_size - ACK_RECORD.itemsize * 400)

    try:
        run.start()
        with _hooked(Accounting_for=truncate):
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
            sql(run, "OPTIMIZE TABLE k2.bronze_trades_kraken FINAL")

    release = run.driver.data_folder("silver-processor") / RELEASE_FILE
    try:
        if group == "gold":
            _early_in_a_minute()
        run.start()
        GROUPS[group](run)
        with _hooked(Accounting_for=at_rest, messages_are_missing=release.touch):
            run.finish()
        hits = hits_of(run, group)
        evidence = run.conclude({"status": "completed"})
    finally:
        run.release()
    return judged(run, group, hits, evidence.verdict)


assert {bug.group for bug in BUGS} == GROUPS.keys()
