"""What tables held before a run is none of its business; what comes again when all is there is."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from chaosp7.embedded import provision
from chaosp7.platform.driver import Driver
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load
from chaosp7.run import evidence as ev
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from tests.chaos import PLATFORM
from tests.waiting import ANSWER_S, PATIENCE_S, until

pytestmark = pytest.mark.alone


@pytest.fixture
def driver(parts: provision.Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    del parts
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    driver = open_driver(load(PLATFORM))
    driver.up()
    yield driver
    driver.down()


def a_run(folder: Path) -> Run:
    plan = RunPlan(
        experiment="before-and-after", rate_per_s=200, duration_s=6, settle_s=2, seed=3, budget=ev.Budget(),
        drain_deadline_s=60, faults_expected=0, reports=folder / "reports",
    )  # fmt: skip
    return Run(load(PLATFORM), plan)


def sql(driver: Driver, statement: str) -> None:
    answer = requests.post(
        f"http://{driver.endpoint('clickhouse')}/", data=statement.encode(), timeout=PATIENCE_S
    )
    assert answer.ok, answer.text


def evidence_of(run: Run) -> ev.Evidence:
    return run.conclude({"status": "completed"})


def again(run: Run, driver: Driver, message: str, in_all: int) -> None:
    """Deliver one message of raw again and again after the load, a quarter of a second apart."""
    while run.load_status()[0].state != "finished":
        time.sleep(0.05)
    for _ in range(in_all):
        sql(
            driver,
            f"INSERT INTO k2.raw_trades_kraken SELECT * FROM k2.raw_trades_kraken WHERE {message} LIMIT 1",
        )
        time.sleep(0.25)


def test_rows_of_before_neither_count_nor_hide_a_loss_and_doubles_of_after_are_all_found(
    driver: Driver, tmp_path: Path
) -> None:
    # A first run gives the tables rows to be copied.
    run = a_run(tmp_path)
    try:
        run.start()
        run.finish()
        assert evidence_of(run).verdict == "passed"
    finally:
        run.release()

    # What no run has sent: number 1,000,000 of a feed, and a symbol of nobody; and in silver a row with a
    # number that the next run will send.
    one = "exchange = 'kraken' AND canonical_symbol = 'BTC/USD' AND source_sequence = 5"
    silver = f"INSERT INTO k2.silver_trades SELECT * REPLACE ({{}}) FROM k2.silver_trades WHERE {one} LIMIT 1"
    run = a_run(tmp_path)
    try:
        exchange = f"http://{driver.endpoint('exchange')}/sequences"
        numbers = {f"{e} {s}": n for e, s, n in requests.get(exchange, timeout=ANSWER_S).json()["next"]}
        hidden = numbers["kraken ETH/USD"] + 3
        sql(driver, silver.format("1000000 AS source_sequence"))
        sql(driver, silver.format("'NOBODY/USD' AS canonical_symbol"))
        sql(driver, silver.format(f"'ETH/USD' AS canonical_symbol, {hidden} AS source_sequence"))
        run.start()
        eth = [str(feed) for feed in run.recorder.source.feeds].index("kraken ETH/USD")
        until(lambda: run.timelines["silver"].heads()[eth] >= hidden + 5)
        sql(
            driver,
            "DELETE FROM k2.silver_trades WHERE exchange = 'kraken' AND canonical_symbol = 'ETH/USD' "
            f"AND source_sequence = {hidden}",
        )
        sql(driver, silver.format(f"'ETH/USD' AS canonical_symbol, {hidden} AS source_sequence"))
        run.finish()
        tiers = {tier.tier: tier for tier in evidence_of(run).tiers}
    finally:
        run.release()
    assert (tiers["silver"].lost, tiers["silver"].unexpected, tiers["silver"].corrupted) == (1, 0, 0)
    assert [(r.feed, r.first) for r in tiers["silver"].ranges] == [("kraken ETH/USD", hidden)]

    run = a_run(tmp_path)
    try:
        run.start()
        first = dict(zip(map(str, run.recorder.source.feeds), run.recorder.source.first, strict=True))
        message = f"symbol = 'ETH/USD' AND sequence = {first['kraken ETH/USD'] + 2}"
        late = threading.Thread(target=again, args=(run, driver, message, 24))
        until(lambda: run.timelines["silver"].heads()[eth] >= first["kraken ETH/USD"] + 4)
        late.start()
        run.finish()
        assert not late.is_alive(), "the account was made while something still came"
        late.join()
        tiers = {tier.tier: tier for tier in evidence_of(run).tiers}
        surplus = run.accounts().tiers["raw"].counts.surplus
    finally:
        run.release()
    assert (tiers["raw"].duplicated, tiers["raw"].lost, surplus) == (1, 0, 24)
