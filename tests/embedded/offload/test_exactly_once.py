"""Each row once in Iceberg, wherever the offload dies and whatever doesn't answer it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosp7.embedded import lake
from chaosp7.embedded.offload.catalog import open_catalog
from chaosp7.embedded.offload.crash_points import STEPS
from chaosp7.platform.clickhouse import ClickHouse
from tests.clickhouse_process import ClickHouseProcess
from tests.cold import ColdTier, OffloadProcess
from tests.embedded.offload.lakehouse import Silver, Watcher, assert_once, cold_rows, silver_rows
from tests.unreliable import Relay
from tests.waiting import PATIENCE_S, until


def caught_up(watcher: Watcher, silver: Silver, offload: OffloadProcess) -> None:
    """Wait until both watermarks are at silver's newest batch."""
    until(
        lambda: all(watcher.watermark(name) == silver.batch for name in ("silver_trades", "ohlcv")),
        said=offload.tail,
    )


@pytest.fixture
def watcher(cold: ColdTier, clickhouse_process: ClickHouseProcess, offload: OffloadProcess) -> Watcher:
    return Watcher(cold.open, clickhouse_process.client(), offload.data / "watermarks.db")


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_costs_and_doubles_nothing(
    step: str,
    cold: ColdTier,
    silver: Silver,
    offload: OffloadProcess,
    watcher: Watcher,
    clickhouse: ClickHouse,
) -> None:
    with watcher:
        silver.put(batches=2)
        caught_up(watcher, silver, offload)
        assert offload.die_at(step).ok
        silver.put(batches=3)
        assert offload.process.wait(PATIENCE_S) == -signal.SIGKILL
        silver.put()
        offload.start()
        caught_up(watcher, silver, offload)
    assert_once(cold, clickhouse, step)
    assert watcher.snapshots >= 4
    if step in {"after-commit", "before-watermark"}:
        # It had committed and didn't know: nothing but the table says so.
        assert offload.metric("recovered_total") >= 1


def test_a_step_that_is_none_is_refused(offload: OffloadProcess) -> None:
    answer = offload.die_at("before-lunch")
    assert answer.status_code == 400
    assert "after-read" in answer.text


def test_two_offloads_at_once_write_each_row_once(
    cold: ColdTier,
    silver: Silver,
    offload: OffloadProcess,
    watcher: Watcher,
    clickhouse: ClickHouse,
    tmp_path: Path,
) -> None:
    other = OffloadProcess(cold, tmp_path, "other")
    try:
        with watcher:
            until(other.answers)
            begun = time.monotonic()
            # Who comes first is chance: one may lose several times before it wins once.
            while (
                offload.metric("conflicts_total") + other.metric("conflicts_total") < 3
                or not offload.metric("commits_total")
                or not other.metric("commits_total")
            ):
                silver.put(10)
                assert time.monotonic() < begun + PATIENCE_S, "they never met, or one never won"
            caught_up(watcher, silver, offload)
    finally:
        other.close()
    assert_once(cold, clickhouse)


@pytest.fixture
def relay(cold: ColdTier) -> Iterator[Relay]:
    relay = Relay(cold.direct("catalog"))
    yield relay
    relay.close()


@pytest.fixture
def relayed(cold: ColdTier, silver: Silver, relay: Relay, tmp_path: Path) -> Iterator[OffloadProcess]:
    """An offload that reaches its catalog by the relay."""
    del silver  # emptied before it looks
    process = OffloadProcess(cold, tmp_path, options=("--catalog", relay.url))
    yield process
    process.close()


@pytest.mark.parametrize("table", ["silver_trades", "ohlcv"])
def test_a_commit_whose_answer_is_lost_is_not_repeated(
    table: str, cold: ColdTier, silver: Silver, relay: Relay, relayed: OffloadProcess, clickhouse: ClickHouse
) -> None:
    watcher = Watcher(cold.open, clickhouse, relayed.data / "watermarks.db")
    with watcher:
        silver.put()
        caught_up(watcher, silver, relayed)
        relay.next_commit(table, "lost")
        silver.put()
        until(lambda: relay.unheard)
        caught_up(watcher, silver, relayed)
    assert relay.unheard == [200]
    assert relayed.metric("recovered_total") == 1
    assert f"commit {table}: " in relayed.log.read_text()
    assert len(cold.table(table).metadata.snapshots) == 2
    assert_once(cold, clickhouse)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_that_comes_through_after_it_was_given_up_writes_nothing_twice(
    when: str, cold: ColdTier, silver: Silver, relay: Relay, relayed: OffloadProcess, clickhouse: ClickHouse
) -> None:
    watcher = Watcher(cold.open, clickhouse, relayed.data / "watermarks.db")
    with watcher:
        silver.put()
        caught_up(watcher, silver, relayed)
        relay.next_commit("silver_trades", "late")
        silver.put()
        until(lambda: relayed.metric("failures_total") >= 1, said=relayed.tail)
        if when == "before":
            relay.released.set()
        caught_up(watcher, silver, relayed)
        relay.released.set()
        until(lambda: relay.unheard)
        silver.put()
        caught_up(watcher, silver, relayed)
    # Whoever came first, the other one was refused.
    assert relay.unheard == [409] or when == "before"
    assert_once(cold, clickhouse)


def test_nothing_moves_while_the_object_store_is_down_and_all_comes_after_it(
    cold: ColdTier, silver: Silver, offload: OffloadProcess, watcher: Watcher, clickhouse: ClickHouse
) -> None:
    with watcher:
        silver.put()
        caught_up(watcher, silver, offload)
        before = silver.batch
        cold.minio.kill()
        try:
            silver.put(batches=5)
            until(lambda: offload.metric("consecutive_failures") >= 3, said=offload.tail)
            until(lambda: offload.health() == 503, said=offload.tail)
            assert offload.metric('watermark{table="silver_trades"}') == before
            assert offload.metric("retries_total") >= 2
            assert "ERROR failure 3 in a row: " in offload.log.read_text()
        finally:
            cold.minio.start()
            cold.until_up("minio")
        caught_up(watcher, silver, offload)
        until(lambda: offload.health() == 200)
    assert_once(cold, clickhouse)


@pytest.mark.parametrize("name", ["minio", "catalog", "clickhouse"])
def test_a_cut_link_stops_the_offload_and_nobody_else(
    name: str,
    cold: ColdTier,
    silver: Silver,
    offload: OffloadProcess,
    watcher: Watcher,
    clickhouse: ClickHouse,
) -> None:
    with watcher:
        silver.put()
        caught_up(watcher, silver, offload)
        files = cold.objects("silver_trades", "data")
        cold.cut(name)
        try:
            silver.put()
            until(lambda: offload.metric("consecutive_failures") >= 2, said=offload.tail)
            assert cold.objects("silver_trades", "data") == files or name == "catalog"
            # The catalog still reaches the object store: that is another edge.
            assert cold.table("silver_trades").scan().count() == 200
        finally:
            cold.join(name)
        caught_up(watcher, silver, offload)
    assert_once(cold, clickhouse)


@pytest.mark.parametrize("name", ["minio", "catalog"])
def test_a_server_that_stands_still_is_not_waited_for_for_ever(
    name: str,
    cold: ColdTier,
    silver: Silver,
    offload: OffloadProcess,
    watcher: Watcher,
    clickhouse: ClickHouse,
) -> None:
    with watcher:
        silver.put()
        caught_up(watcher, silver, offload)
        process = cold.minio if name == "minio" else cold.catalog
        process.signal(signal.SIGSTOP)
        try:
            silver.put()
            until(lambda: offload.metric("consecutive_failures") >= 2, said=offload.tail)
        finally:
            process.signal(signal.SIGCONT)
        caught_up(watcher, silver, offload)
    assert_once(cold, clickhouse)


def test_a_clickhouse_that_dies_while_it_is_read_costs_and_doubles_nothing(
    cold: ColdTier,
    silver: Silver,
    clickhouse_process: ClickHouseProcess,
    offload: OffloadProcess,
    watcher: Watcher,
    clickhouse: ClickHouse,
) -> None:
    with watcher:
        offload.signal(signal.SIGSTOP)
        silver.put(500, batches=10)
        offload.signal(signal.SIGCONT)
        clickhouse_process.kill()
        try:
            until(lambda: offload.metric("consecutive_failures") >= 2, said=offload.tail)
        finally:
            clickhouse_process.start()
        caught_up(watcher, silver, offload)
    assert_once(cold, clickhouse)


def test_an_increment_is_some_whole_batches_at_most(
    cold: ColdTier, silver: Silver, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    silver.put(100, batches=7)
    done = once(cold, tmp_path, "--rows-max", "900")
    assert done.returncode == 0, done.stderr
    table = cold.table("silver_trades")
    added = [
        snapshot.summary.additional_properties["added-records"]
        for snapshot in table.metadata.snapshots
        if snapshot.summary
    ]
    assert added == ["800", "800", "800", "400"]
    assert_once(cold, clickhouse)
    again = once(cold, tmp_path)
    assert again.returncode == 0
    assert len(cold.table("silver_trades").metadata.snapshots) == 4


def test_a_single_run_that_fails_says_so_by_its_exit_code(
    cold: ColdTier, silver: Silver, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    silver.put()
    cold.cut("minio")
    failed = once(cold, tmp_path, "--tries", "2")
    assert failed.returncode == 1
    assert "write files of silver_trades" in failed.stderr
    cold.join("minio")
    assert once(cold, tmp_path).returncode == 0
    assert_once(cold, clickhouse)


def test_a_watermark_ahead_of_its_table_is_told_and_nothing_is_skipped(
    cold: ColdTier, silver: Silver, tmp_path: Path
) -> None:
    silver.put()
    assert once(cold, tmp_path).returncode == 0
    cold.emptied()
    silver.put()
    failed = once(cold, tmp_path, "--tries", "1")
    assert failed.returncode == 1
    assert "its watermark is 1, but it holds only up to 0" in failed.stderr


def test_files_are_sorted_and_tell_their_bounds(cold: ColdTier, silver: Silver, tmp_path: Path) -> None:
    silver.put()
    assert once(cold, tmp_path).returncode == 0
    table = cold.table("silver_trades")
    (file,) = table.inspect.files().to_pylist()
    bounds = file["readable_metrics"]["source_sequence"]
    assert (bounds["lower_bound"], bounds["upper_bound"]) == (1, 50)
    assert file["readable_metrics"]["exchange"]["lower_bound"] == "binance"
    rows = table.scan(selected_fields=("exchange", "symbol", "source_sequence")).to_arrow().to_pylist()
    keys = [tuple(row.values()) for row in rows]
    assert keys == sorted(keys)


def once(cold: ColdTier, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the offload as an orchestrator does."""
    process = OffloadProcess(cold, folder, "once", ("--once", *options))
    code = process.process.wait(PATIENCE_S)
    text = process.log.read_text()
    process.log.unlink()
    return subprocess.CompletedProcess(process.command, code, "", text)


def test_the_catalog_does_not_say_by_which_way_the_object_store_is_reached(
    cold: ColdTier, silver: Silver, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    relay = Relay(cold.direct("catalog"), told={"s3.endpoint": "http://127.0.0.1:9"})
    try:
        silver.put()
        assert once(cold, tmp_path, "--catalog", relay.url).returncode == 0
        assert_once(cold, clickhouse)
        silver.put()
        cold.cut("minio")
        assert once(cold, tmp_path, "--catalog", relay.url, "--tries", "1").returncode == 1
    finally:
        relay.close()


def test_an_sql_catalog_does_as_well(
    cold: ColdTier, silver: Silver, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    silver.put(batches=2)
    uri = f"sqlite:///{tmp_path / 'own.db'}"
    warehouse = "warehouse=s3://lake/sql"
    assert once(cold, tmp_path, "--catalog", uri, "--property", warehouse).returncode == 0
    silver.put()
    assert once(cold, tmp_path, "--catalog", uri, "--property", warehouse).returncode == 0
    catalog = open_catalog({"uri": uri, **lake.s3_properties(cold.direct("minio"))})
    table = catalog.load_table(("cold", "silver_trades"))
    assert cold_rows(table) == silver_rows(clickhouse)
    assert table.location().startswith("s3://lake/sql/")
