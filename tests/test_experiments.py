"""The shipped experiments by plain `chaos run`, against the real platform."""

import copy
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from chaosp7.embedded import provision
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run import evidence as ev
from tests.chaos import (
    BASELINE,
    HANDLER_CRASH,
    HEARS_CTRL_C,
    RESTART,
    ChaosRun,
    chaos_run,
    command,
    environment,
    read_journal,
    unhurried,
)
from tests.edited import any_recovery, edited, settling_long
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.alone

TIERS = ["topic", "raw", "bronze", "silver", "gold"]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, parts: provision.Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    del parts  # only have to be there
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))


def evidence_of(run: ChaosRun, folder: Path) -> ev.Evidence:
    assert "evidence" in run.journal.get("x-chaosp7", {}), run.output
    return ev.read(folder / run.journal["x-chaosp7"]["evidence"])


def assert_every_message_is_everywhere(evidence: ev.Evidence, output: str) -> None:
    assert evidence.load is not None, output
    assert [tier.tier for tier in evidence.tiers] == TIERS
    for tier in evidence.tiers:
        classes = (tier.delivered, tier.lost, tier.late, tier.corrupted, tier.duplicated, tier.reordered)
        assert classes == (evidence.load.messages, 0, 0, 0, 0, 0), (tier.tier, output)
        assert (tier.sent, tier.unexpected, tier.drained) == (evidence.load.messages, 0, True), output


def test_the_baseline_finds_every_message_in_every_tier(tmp_path: Path) -> None:
    run = chaos_run(BASELINE, tmp_path, CHAOSP7_DURATION_S="12", CHAOSP7_RATE_PER_S="250")
    assert (run.code, run.verdict) == (0, "passed"), run.output
    evidence = evidence_of(run, tmp_path)
    assert_every_message_is_everywhere(evidence, run.output)
    assert evidence.load is not None
    assert evidence.load.messages >= 12 * 250
    assert evidence.recovery == []
    # A platform that the experiment brought up is down after it.
    assert not ProcessDriver(name="embedded").running()


def test_a_broker_killed_under_load_is_verified_measured_and_accounted_for(tmp_path: Path) -> None:
    experiment = edited(RESTART, tmp_path, settling_long)
    run = chaos_run(experiment, tmp_path, CHAOSP7_DURATION_S="20", CHAOSP7_RATE_PER_S="250")
    assert (run.verdict == "passed") == (run.code == 0), run.output
    evidence = evidence_of(run, tmp_path)
    assert_every_message_is_everywhere(evidence, run.output)
    (fault,) = evidence.faults
    assert fault.verified_start_ns is not None
    assert fault.verified_end_ns is not None
    assert [report.tier for report in evidence.recovery] == TIERS
    for report in evidence.recovery:
        # How fast it is depends on the machine, and is for the benchmark to tell; but a tier that the
        # broker was away for longer than it may be stale can't have stayed fresh; of a shorter time it may see nothing.
        away_ms = (fault.verified_end_ns - fault.verified_start_ns) / 1e6
        stayed_fresh = {"never-stale"} if away_ms < report.tolerance_ms else set()
        assert report.outcome in {"recovered", "not-recovered"} | stayed_fresh, run.output
        assert (report.detection_s is None) == (report.outcome == "never-stale"), run.output
        assert report.samples > 20
    topic = evidence.recovery[0]
    assert topic.recovery_s is not None, run.output
    assert topic.uncertainty_s < topic.recovery_s
    assert not ProcessDriver(name="embedded").running()


def claiming_binance_is_unaffected(content: dict[str, Any]) -> None:
    probes = content["steady-state-hypothesis"]["probes"]
    (others,) = (probe for probe in probes if probe["provider"]["func"] == "exchanges_unaffected")
    claim = copy.deepcopy(others) | {"name": "binance-is-unaffected"}
    claim["provider"]["arguments"]["exchanges"] = ["binance"]
    probes.append(claim)


def test_a_crash_of_one_exchange_s_handler_is_told_from_the_others(tmp_path: Path) -> None:
    """The steady state claims that nothing touched Binance, whose handler crashes; what it says of the others holds."""
    experiment = edited(HANDLER_CRASH, tmp_path, any_recovery, claiming_binance_is_unaffected)
    load = {"CHAOSP7_DURATION_S": "25", "CHAOSP7_RATE_PER_S": "250"}
    run = chaos_run(experiment, tmp_path, CHAOSP7_PLATFORM=str(unhurried(tmp_path)), **load)
    assert run.verdict == "deviated", run.output
    assert run.journal["x-chaosp7"]["reasons"] == [
        "steady state after the method: binance-is-unaffected: got False"
    ]
    evidence = evidence_of(run, tmp_path)
    assert evidence.source_loss["missed_at_source"] > 0
    assert all(tier.lost == sum(evidence.source_loss.values()) for tier in evidence.tiers)


def start_run(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a long run; return it and its output when the load has begun."""
    process = subprocess.Popen(
        [*HEARS_CTRL_C, *command(BASELINE)],
        cwd=folder,
        env=environment(folder, CHAOSP7_DURATION_S="60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if "begun; evidence goes to" in line:
            break
    time.sleep(2)
    return process, output


def test_ctrl_c_in_mid_run_ends_everything_and_is_never_passed(tmp_path: Path) -> None:
    process, output = start_run(tmp_path)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0, output + rest
    assert read_journal(tmp_path)["x-chaosp7"]["verdict"] in {"interrupted", "error"}, output + rest
    assert not ProcessDriver(name="embedded").running()


def test_a_killed_run_leaves_no_platform_and_no_result(tmp_path: Path) -> None:
    process, output = start_run(tmp_path)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    driver = ProcessDriver(name="embedded")
    # The watchdog takes down what the run had brought up.
    until(lambda: not driver.running(), said=lambda: output)
    assert not list(tmp_path.glob("reports/*/evidence.json"))
