"""Damage done to a real platform's tables in mid-run is found: what, where, and whose fault it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from chaosp7.embedded import provision
from chaosp7.measure.count import Count
from chaosp7.platform.loader import load
from chaosp7.run import evidence as ev
from chaosp7.run.current import close_run, open_run
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run
from probes.freshness import all_tiers_fresh
from probes.lag import consumer_lag_within
from probes.sequence import corrupted_messages, duplicated_messages, lost_messages
from tests.chaos import PLATFORM
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.alone


@pytest.fixture
def run(parts: provision.Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    del parts
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    plan = RunPlan(
        experiment="planted",
        rate_per_s=200,
        duration_s=10,
        settle_s=2,
        seed=3,
        budget=ev.Budget(),
        drain_deadline_s=60,
        faults_expected=0,
        reports=tmp_path / "reports",
    )
    run = Run(load(PLATFORM), plan)
    open_run(run)
    try:
        run.start()
        yield run
    finally:
        run.release()
        close_run()


def damage(run: Run, sql: str) -> None:
    answer = requests.post(
        f"http://{run.driver.endpoint('clickhouse')}/", data=sql.encode(), timeout=PATIENCE_S
    )
    assert answer.ok, answer.text


def test_planted_damage_is_found_at_its_tier_and_nowhere_else(run: Run) -> None:
    assert all_tiers_fresh(timeout_s=120)
    assert consumer_lag_within(2000)
    first = {
        str(feed): sequence
        for feed, sequence in zip(run.recorder.source.feeds, run.recorder.source.first, strict=True)
    }
    btc, eth, sol = first["binance BTC/USDT"], first["kraken ETH/USD"], first["coinbase SOL/USD"]
    # Old enough to be in silver and gold for long: those have taken what they take.
    timelines = run.recorder.timelines.values()
    until(lambda: min(map(min, (t.heads() for t in timelines))) >= min(btc, eth, sol) + 30)
    damage(
        run,
        "DELETE FROM k2.silver_trades WHERE exchange = 'binance' AND canonical_symbol = 'BTC/USDT' "
        f"AND source_sequence BETWEEN {btc + 3} AND {btc + 9}",
    )
    damage(
        run,
        "ALTER TABLE k2.bronze_trades_kraken UPDATE volume = '0.5' WHERE canonical_symbol = 'ETH/USD' "
        f"AND sequence = {eth + 4} SETTINGS mutations_sync = 2",
    )
    damage(
        run,
        "INSERT INTO k2.raw_trades_coinbase SELECT * FROM k2.raw_trades_coinbase "
        f"WHERE symbol = 'SOL/USD' AND sequence IN ({sol + 5}, {sol + 6})",
    )
    run.finish()
    assert (lost_messages(), lost_messages("bronze"), lost_messages("silver")) == (7, 0, 7)
    assert (corrupted_messages(), corrupted_messages("bronze"), corrupted_messages("raw")) == (1, 1, 0)
    assert (duplicated_messages(), duplicated_messages("raw"), duplicated_messages("silver")) == (2, 2, 0)
    lost = lost_messages()
    assert isinstance(lost, Count)
    assert f" lost at silver: binance BTC/USDT {btc + 3}-{btc + 9}, sent " in lost.why
    assert lost.why.endswith("first missing at silver; acknowledged by the broker")

    evidence = run.conclude({"status": "completed"})
    assert evidence.verdict == "deviated"
    tiers = {tier.tier: tier for tier in evidence.tiers}
    assert tiers["topic"].delivered == tiers["topic"].sent
    (lost,) = tiers["silver"].ranges
    assert (lost.feed, lost.first, lost.last) == ("binance BTC/USDT", btc + 3, btc + 9)
    assert lost.first_missing_at == "silver"
    # The candles were made before: they show what was sent, so gold has lost nothing.
    assert tiers["gold"].delivered == tiers["gold"].sent
