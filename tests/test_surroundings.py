"""What a run rests on fails in mid-run, behind its back: it ends in bounded time, and never as passed."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosp7.platform.process_driver import ServiceState
from chaosp7.safety.heal import ledger_of
from tests.chaos import ChaosRun
from tests.lite import EXCHANGE_LINK, HANDLER, Lite
from tests.short import action, evidence_of, run_short, until_said, write_experiment
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.soak

IN_FORCE = "read back"

LINK_FAULTS = {
    "blackhole": (action("blackhole", "blackhole_link", link=EXCHANGE_LINK, duration_s=6), IN_FORCE),
    "refuse": (action("refuse", "refuse_link", link=EXCHANGE_LINK, duration_s=6), "refuses connections"),
    "flap": (action("flap", "flap_link", link=EXCHANGE_LINK, cut_s=6, times=1), "refuses connections"),
    "partition": (
        action("partition", "partition_services", groups=[[HANDLER], ["exchange"]], duration_s=6),
        IN_FORCE,
    ),
}


@pytest.fixture(autouse=True)
def whole(embedded: Lite) -> Iterator[None]:
    """Every test finds the platform healthy and leaves it so."""
    until(lambda: all(status.healthy for status in embedded.driver.status().values()))
    yield
    for service, status in embedded.driver.status().items():
        if status.process is not None and status.process.stopped():
            embedded.driver.resume(service)
        embedded.driver.start(service, wait_s=PATIENCE_S)


def pid_of(lite: Lite, service: str) -> int:
    pid = lite.driver.service_status(service).pid
    assert pid is not None
    return pid


def once_said(words: str, act: Callable[[], object]) -> Callable[[Path], None]:
    def meanwhile(output: Path) -> None:
        until_said(output, words)
        act()

    return meanwhile


def assert_everything_is_healed(lite: Lite) -> None:
    assert ledger_of(lite.driver).open_faults() == []
    states = lite.driver.links.states()
    assert set(states) == set(lite.model.links)  # after a restart, too
    assert all(state.clean for state in states.values())


def assert_told(run: ChaosRun, folder: Path, verdicts: set[str]) -> None:
    assert run.verdict in verdicts, run.output
    assert run.code == 1
    assert evidence_of(run, folder).verdict == run.verdict
    assert run.journal["x-chaosp7"]["reasons"]


@pytest.mark.parametrize(("kind", "words"), LINK_FAULTS.values(), ids=LINK_FAULTS)
def test_a_toxiproxy_that_is_killed_has_forgotten_the_fault_and_that_is_told(
    embedded: Lite, tmp_path: Path, kind: dict[str, object], words: str
) -> None:
    before = pid_of(embedded, "toxiproxy")
    run = run_short(
        write_experiment(tmp_path, [kind], drain_deadline_s=10),
        embedded.state,
        once_said(words, lambda: os.kill(before, signal.SIGKILL)),
    )
    assert_told(run, tmp_path, {"fault-not-verified"})
    assert "was gone before its end" in run.journal["x-chaosp7"]["reasons"][0]
    (fault,) = evidence_of(run, tmp_path).faults
    assert not fault.lasted
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
    assert pid_of(embedded, "toxiproxy") != before
    assert_everything_is_healed(embedded)


@pytest.mark.parametrize("when", ["before the fault", "in the fault"])
def test_a_toxiproxy_that_hangs_is_started_anew_with_all_links(
    embedded: Lite, tmp_path: Path, when: str
) -> None:
    before = pid_of(embedded, "toxiproxy")
    method, words = LINK_FAULTS["blackhole"]
    if when == "before the fault":
        method, words = method | {"pauses": {"before": 3}}, "Pausing before"
    run = run_short(
        write_experiment(tmp_path, [method], drain_deadline_s=10),
        embedded.state,
        once_said(words, lambda: os.kill(before, signal.SIGSTOP)),
    )
    assert_told(run, tmp_path, {"fault-not-verified"})
    (fault,) = evidence_of(run, tmp_path).faults
    assert (fault.verified_start_ns is None) == (when == "before the fault")
    assert fault.verified_end_ns is not None
    assert pid_of(embedded, "toxiproxy") != before
    assert_everything_is_healed(embedded)


def test_a_service_that_somebody_starts_in_a_fault_is_told(embedded: Lite, tmp_path: Path) -> None:
    method = action("kill", "kill_service", service=HANDLER, duration_s=6)
    run = run_short(
        write_experiment(tmp_path, [method]),
        embedded.state,
        once_said("ended by SIGKILL", lambda: embedded.driver.start(HANDLER)),
    )
    assert_told(run, tmp_path, {"fault-not-verified"})
    assert "was gone before its end" in run.journal["x-chaosp7"]["reasons"][0]


def test_a_clickhouse_that_crashes_again_and_again_ends_the_run_in_time(
    embedded: Lite, tmp_path: Path
) -> None:
    data = embedded.driver.state.data("clickhouse")
    aside = data.with_name("aside")

    def spoil() -> None:
        data.rename(aside)
        (data / "chaosp7-config.xml").mkdir(parents=True)  # where it writes its configuration's file

    method = action("kill", "kill_service", service="clickhouse", duration_s=4, healthy_within_s=5)
    experiment = write_experiment(tmp_path, [method], drain_deadline_s=10)
    try:
        run = run_short(experiment, embedded.state, once_said("ended by SIGKILL", spoil))
        status = embedded.driver.service_status("clickhouse")
        assert not status.healthy
        assert status.restarts > 1
    finally:
        embedded.driver.stop("clickhouse")
        shutil.rmtree(data)
        aside.rename(data)
    assert_told(run, tmp_path, {"error", "heal-failed"})
    (fault,) = evidence_of(run, tmp_path).faults
    assert fault.verified_start_ns is not None
    assert fault.verified_end_ns is None
    assert "can't be undone" in run.flat
    assert_everything_is_healed(embedded)


def test_a_clickhouse_that_somebody_stops_ends_the_run_in_time(embedded: Lite, tmp_path: Path) -> None:
    experiment = write_experiment(
        tmp_path, [action("kill", "kill_service", service=HANDLER, duration_s=3)], drain_deadline_s=10
    )
    stop = once_said("ended by SIGKILL", lambda: embedded.driver.stop("clickhouse"))
    run = run_short(experiment, embedded.state, stop)
    assert_told(run, tmp_path, {"error"})
    assert any("ClickHouse" in reason for reason in run.journal["x-chaosp7"]["reasons"])
    (fault,) = evidence_of(run, tmp_path).faults
    assert None not in {fault.verified_start_ns, fault.verified_end_ns}
    # It was stopped on purpose, and not by the run: that isn't undone.
    assert embedded.driver.service_status("clickhouse").state is ServiceState.STOPPED
    assert_everything_is_healed(embedded)
