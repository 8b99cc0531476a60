"""Whole runs against the shipped platform in containers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import REPOSITORY
from tests.docker.daemon import Daemon
from tests.lite import HANDLER, Lite
from tests.short import action, evidence_of, run_short, until_said, write_experiment
from tests.waiting import PATIENCE_S, RUN_S, until

pytestmark = [pytest.mark.alone, pytest.mark.soak]

PLATFORM = str(REPOSITORY / "platforms" / "embedded-docker.yaml")
CHAIN = ["topic", "raw", "bronze", "silver", "gold"]


@pytest.mark.parametrize(
    ("fault", "settle_s"),
    [
        (action("restart", "restart_service", service="redpanda"), 12),
        # Its consumers come back when the broker has given up those of before: 11 s after.
        (action("crash", "crash_service", service="clickhouse"), 25),
        (action("isolate", "isolate_service", service=HANDLER, duration_s=2), 12),
    ],
    ids=["broker-restart", "clickhouse-crash", "handler-isolated"],
)
def test_a_fault_in_containers_is_measured_and_accounted_for(
    docker_embedded: Lite, tmp_path: Path, fault: dict[str, object], settle_s: float
) -> None:
    experiment = write_experiment(
        tmp_path,
        [fault],
        platform=PLATFORM,
        settle_s=settle_s,
        budget={"recovery_s": 60, "missed_at_source": 10_000},
    )
    run = run_short(experiment, docker_embedded.state, limit_s=RUN_S)
    evidence = evidence_of(run, tmp_path)
    assert (run.verdict, run.code) == ("passed", 0), run.output
    assert [tier.tier for tier in evidence.tiers] == CHAIN
    assert len({tier.sent for tier in evidence.tiers}) == 1
    assert evidence.source_loss["acknowledged"] == 0
    assert evidence.source_loss["unattributed"] == 0
    assert [r.tier for r in evidence.recovery] == CHAIN
    assert evidence.faults[0].verified_start_ns is not None


def test_a_daemon_that_ends_in_mid_run_ends_the_run_with_a_verdict(
    daemon: Daemon, docker_embedded: Lite, tmp_path: Path
) -> None:
    pause = action("pause", "pause_service", service=HANDLER, duration_s=15)
    experiment = write_experiment(tmp_path, [pause], platform=PLATFORM)

    def end_daemon(output: Path) -> None:
        until_said(output, "stopped")
        daemon.stop()

    try:
        run = run_short(experiment, docker_embedded.state, end_daemon, limit_s=RUN_S)
        assert run.verdict in ("error", "fault-not-verified", "aborted"), run.output
        assert run.code != 0
        assert json.loads((tmp_path / "journal.json").read_text())
    finally:
        daemon.start()
    # What can be healed is: the daemon has ended its containers, a start makes them whole.
    healed = subprocess.run(
        [sys.executable, "-c", "from chaosp7.cli import main; main()", "heal", "-p", PLATFORM],
        env={
            "DOCKER_HOST": daemon.url,
            "CHAOSP7_STATE_DIR": str(docker_embedded.state),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert healed.returncode == 0, healed.stderr
    for service in docker_embedded.driver.plan.services:
        docker_embedded.driver.start(service, wait_s=0)
    until(lambda: all(s.healthy for s in docker_embedded.driver.status().values()))
    assert not docker_embedded.driver.paused(HANDLER)
