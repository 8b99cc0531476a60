"""The offload as a flow of a real Prefect server: what happens to it is what Prefect shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chaosp7.platform.clickhouse import ClickHouse
from tests.cold import ColdTier, OffloadProcess
from tests.embedded.offload.lakehouse import Silver, assert_once
from tests.prefect_server import PrefectServer, prefect_env
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    yield server
    server.close()


@pytest.fixture
def server(server_process: PrefectServer) -> PrefectServer:
    return server_process


@pytest.fixture
def registered(
    cold: ColdTier, silver: Silver, server: PrefectServer, tmp_path: Path
) -> Iterator[OffloadProcess]:
    """An offload whose runs Prefect sees, one each half second."""
    del silver  # emptied before it looks
    options = ("--orchestrator", server.api, "--tries", "2", "--cycle-s", "0.5")
    process = OffloadProcess(cold, tmp_path, options=options, env=prefect_env())
    yield process
    process.close()


def later(server: PrefectServer, offload: OffloadProcess, state: str, more: int = 1) -> None:
    """Wait for more runs in a state than there are."""
    before = server.states().count(state)
    until(lambda: server.states().count(state) >= before + more, said=offload.tail)


def carried_over(silver: Silver, offload: OffloadProcess, cold: ColdTier, clickhouse: ClickHouse) -> None:
    """Check that what is new arrives, and everything once."""
    silver.put()
    until(
        lambda: f'offload_watermark{{table="ohlcv"}} {silver.batch}' in offload.metrics(), said=offload.tail
    )
    assert_once(cold, clickhouse, offload.tail())


def test_each_run_is_one_at_prefect_and_says_how_far_it_came(
    cold: ColdTier, silver: Silver, server: PrefectServer, registered: OffloadProcess, clickhouse: ClickHouse
) -> None:
    silver.put(batches=3)
    later(server, registered, "Completed", 3)
    carried_over(silver, registered, cold, clickhouse)
    later(server, registered, "Completed", 2)
    newest = next(run for run in reversed(server.runs()) if run["state_name"] == "Completed")
    assert (
        newest["state"]["message"] == f"silver_trades at batch {silver.batch}, ohlcv at batch {silver.batch}"
    )
    assert registered.health() == 200
    registered.signal(signal.SIGTERM)
    assert registered.process.wait(PATIENCE_S) == 0, registered.tail()
    assert {run["state_name"] for run in server.runs()} == {"Completed"}


def test_a_run_without_its_object_store_has_failed_with_step_and_cause(
    cold: ColdTier, silver: Silver, server: PrefectServer, registered: OffloadProcess, clickhouse: ClickHouse
) -> None:
    later(server, registered, "Completed")
    cold.cut("minio")
    silver.put()
    later(server, registered, "Failed", 2)
    failed = next(run for run in reversed(server.runs()) if run["state_name"] == "Failed")
    assert failed["state_type"] == "FAILED"
    assert failed["state"]["message"].startswith(("load silver_trades: ", "write files of silver_trades: "))
    assert registered.metric("failures_total") >= 4
    cold.join("minio")
    later(server, registered, "Completed")
    carried_over(silver, registered, cold, clickhouse)


def test_while_the_server_is_away_nothing_is_offloaded_and_that_is_told(
    cold: ColdTier, silver: Silver, server: PrefectServer, registered: OffloadProcess, clickhouse: ClickHouse
) -> None:
    silver.put()
    later(server, registered, "Completed", 2)
    server.kill()
    until(lambda: registered.metric("failures_total") >= 2, said=registered.tail)
    rows = registered.metric("rows_total")
    silver.put()
    until(lambda: registered.health() == 503, said=registered.tail)
    assert registered.metric("rows_total") == rows
    assert (
        "begin a run at Prefect: " in registered.tail()
        or "settle what is left at Prefect: " in registered.tail()
    )
    server.start()
    later(server, registered, "Completed")
    carried_over(silver, registered, cold, clickhouse)
    assert registered.health() == 200


def test_a_run_that_ends_while_the_server_is_away_is_told_how_it_ended(
    cold: ColdTier, silver: Silver, server: PrefectServer, registered: OffloadProcess, clickhouse: ClickHouse
) -> None:
    later(server, registered, "Completed")
    cold.lose_answers("minio")
    silver.put()
    until(lambda: "Running" in server.states(), said=registered.tail)
    (running,) = (run["id"] for run in server.runs() if run["state_name"] == "Running")
    server.kill()
    until(lambda: "tell Prefect how the run ended" in registered.tail(), said=registered.tail)
    cold.give_answers("minio")
    server.start()
    later(server, registered, "Completed")
    (told,) = (run for run in server.runs() if run["id"] == running)
    assert told["state_name"] == "Failed", told
    assert "silver_trades: " in told["state"]["message"]
    carried_over(silver, registered, cold, clickhouse)
    assert "Running" not in server.states()[:-1]


def test_the_run_of_a_process_that_was_killed_is_crashed_once_the_next_one_is_there(
    cold: ColdTier, silver: Silver, server: PrefectServer, registered: OffloadProcess, clickhouse: ClickHouse
) -> None:
    later(server, registered, "Completed")
    assert registered.die_at("after-commit").ok
    silver.put()
    pid = registered.process.pid
    assert registered.process.wait(PATIENCE_S) == -signal.SIGKILL
    # Prefect itself doesn't find out.
    (left,) = (run for run in server.runs() if run["state_name"] == "Running")
    registered.start()
    later(server, registered, "Completed")
    (crashed,) = (run for run in server.runs() if run["id"] == left["id"])
    assert (crashed["state_type"], f"process {pid}," in crashed["state"]["message"]) == ("CRASHED", True)
    carried_over(silver, registered, cold, clickhouse)


def test_sigterm_lets_a_run_come_to_its_end(
    cold: ColdTier, server: PrefectServer, registered: OffloadProcess
) -> None:
    later(server, registered, "Completed")
    cold.lose_answers("minio")
    until(lambda: "Running" in server.states(), said=registered.tail)
    registered.signal(signal.SIGTERM)
    assert registered.process.wait(PATIENCE_S) == 0, registered.tail()
    cold.give_answers("minio")
    assert "Running" not in server.states()
    assert "Traceback" not in registered.tail()


def test_once_is_a_run_too_and_its_exit_code_is_its_state(
    cold: ColdTier, silver: Silver, server: PrefectServer, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    options = ("--orchestrator", server.api, "--tries", "1", "--once")
    for state, cut, code in (("Failed", True, 1), ("Completed", False, 0)):
        silver.put()
        (cold.cut if cut else cold.join)("minio")
        once = OffloadProcess(cold, tmp_path, options=options, env=prefect_env())
        assert once.process.wait(PATIENCE_S) == code, once.tail()
        assert server.states()[-1] == state
    assert_once(cold, clickhouse)


def test_the_flow_itself_runs_where_an_orchestrator_has_it(
    cold: ColdTier, silver: Silver, server: PrefectServer, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    code = (
        "import sys; from chaosp7.embedded import lake\n"
        "from chaosp7.embedded.offload.orchestrated import offload\n"
        "catalog = {'uri': sys.argv[2], **lake.s3_properties(sys.argv[3])}\n"
        "print(offload(sys.argv[1], catalog, sys.argv[4], tries=1, return_state=True).name)"
    )
    arguments = [cold.via("clickhouse"), f"http://{cold.via('catalog')}", cold.via("minio"), str(tmp_path)]
    env = {**os.environ, **prefect_env(), "PREFECT_API_URL": server.api, "PREFECT_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, *arguments]
    for state, cut in (("Failed", True), ("Completed", False)):
        silver.put(batches=2)
        (cold.cut if cut else cold.join)("minio")
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.stdout.split()[-1:] == [state], done.stdout + done.stderr
        assert server.states()[-1] == state
    assert_once(cold, clickhouse)


def test_without_prefect_it_is_said_what_to_install(cold: ColdTier, tmp_path: Path) -> None:
    offload = OffloadProcess(cold, tmp_path, options=("--orchestrator", "http://127.0.0.1:9/api"))
    assert offload.process.wait(PATIENCE_S) == 2
    assert "pip install 'chaosp7[prefect]'" in offload.tail()
    assert "Traceback" not in offload.tail()


def test_the_server_ends_with_sigterm_and_leaves_no_process_behind(tmp_path: Path) -> None:
    server = PrefectServer(tmp_path)
    children = psutil.Process(server.process.pid).children(recursive=True)
    listening = [
        c.laddr.ip for c in psutil.Process(server.process.pid).net_connections() if c.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1"]
    server.signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}, server.log.read_text()
    until(lambda: not any(child.is_running() for child in children))
    assert (server.data / "prefect.db").exists()
