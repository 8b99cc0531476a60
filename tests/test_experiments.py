"""The shipped experiments by plain `chaos run`, against the real platform."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaosp7.embedded import provision
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run import evidence as ev

REPOSITORY = Path(__file__).parents[1]
CHAOS = Path(sys.executable).with_name("chaos")


def chaos_run(experiment: Path, folder: Path, **env: str) -> tuple[int, dict[str, Any], str]:
    """Run an experiment in an empty folder; return exit code, journal and output."""
    command = [str(CHAOS), "--no-version-check", "--no-log-file", "run", str(experiment)]
    env = {"CHAOSP7_STATE_DIR": str(folder / "state"), "CHAOSP7_PLATFORM": str(PLATFORM), **env}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    journal = folder / "journal.json"
    return (
        done.returncode,
        json.loads(journal.read_text()) if journal.exists() else {},
        done.stdout + done.stderr,
    )


PLATFORM = REPOSITORY / "platforms" / "embedded.yaml"


def test_a_broker_killed_under_load_is_verified_recorded_and_accounted_for(
    parts: provision.Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del parts  # only has to be there
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    experiment = REPOSITORY / "experiments" / "redpanda-restart.json"
    # Only the topic tier: how fast ClickHouse's consumers come back isn't settled yet (changelog).
    platform = tmp_path / "topic.yaml"
    platform.write_text(PLATFORM.read_text().partition("\n  raw:\n")[0] + "\n")
    settings = {"CHAOSP7_DURATION_S": "20", "CHAOSP7_RATE_PER_S": "250", "CHAOSP7_PLATFORM": str(platform)}
    code, journal, output = chaos_run(experiment, tmp_path, **settings)
    result = journal["x-chaosp7"]
    assert (result["verdict"] == "passed") == (code == 0), output
    evidence = ev.read(tmp_path / result["evidence"])
    assert evidence.load is not None, output
    assert evidence.load.messages >= 20 * 250
    assert [tier.tier for tier in evidence.tiers] == ["topic"]
    for tier in evidence.tiers:
        classes = (tier.delivered, tier.lost, tier.late, tier.corrupted, tier.duplicated, tier.reordered)
        assert sum(classes) == tier.sent == evidence.load.messages
        assert (tier.corrupted, tier.duplicated, tier.unexpected) == (0, 0, 0), output
    topic = evidence.tiers[0]
    assert topic.delivered == topic.sent, output
    (fault,) = evidence.faults
    assert fault.verified_start_ns is not None
    assert fault.verified_end_ns is not None
    recovery = evidence.recovery[0]
    # The broker was down: a topic that never went stale wasn't measured.
    assert recovery.outcome == "recovered", output
    assert recovery.recovery_s is not None
    assert recovery.samples > 100
    # A platform that the experiment brought up is down after it.
    assert not ProcessDriver(name="embedded").running()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"service": "redpnda"}, "unknown service 'redpnda'"),
        ({"link": "clickhouse->nowhere"}, "unknown link 'clickhouse->nowhere'"),
    ],
)
def test_an_experiment_that_names_what_is_not_there_touches_nothing(
    tmp_path: Path, change: dict[str, str], problem: str
) -> None:
    experiment = json.loads((REPOSITORY / "experiments" / "redpanda-restart.json").read_text())
    experiment["method"][0]["provider"]["arguments"] = {"service": "redpanda"} | {
        key: value for key, value in change.items() if key == "service"
    }
    if "link" in change:
        probe = {
            "type": "python",
            "module": "probes.health",
            "func": "all_services_healthy",
            "arguments": change,
        }
        experiment["rollbacks"].append({"type": "probe", "name": "link", "provider": probe})
        # Chaos Toolkit itself refuses an argument that a function doesn't have.
        problem = "link"
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment))
    code, journal, output = chaos_run(path, tmp_path)
    assert code == 1
    assert problem in output
    assert journal.get("x-chaosp7", {}).get("verdict", "error") == "error"
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "reports").exists()


def test_a_broken_platform_file_ends_the_run_with_file_line_and_key(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(PLATFORM.read_text().replace("part: kafka", "part: kafkaa", 1))
    experiment = REPOSITORY / "experiments" / "baseline.json"
    code, journal, output = chaos_run(experiment, tmp_path, CHAOSP7_PLATFORM=str(broken))
    assert code == 1
    assert "broken.yaml:14: services.redpanda.part: Invalid enum value 'kafkaa'" in output.replace("\n", "")
    assert journal["x-chaosp7"]["verdict"] == "error"
    assert not (tmp_path / "state").exists()


def test_evidence_survives_a_round_trip(tmp_path: Path) -> None:
    anchor = ev.ClockAnchor(monotonic_ns=1, wall_ns=2)
    environment = ev.Environment(
        chaosp7="0", chaoslib="1", python="3", kernel="6", cpu="c", cores=2, memory_bytes=1
    )
    evidence = ev.Evidence(
        run_id="r", experiment="e", platform="p", verdict="error", reasons=["x"], budget=ev.Budget(),
        clock=anchor, environment=environment, phases=[], faults=[], load=None, tiers=[], source_loss={},
        recovery=[],
    )  # fmt: skip
    ev.write(evidence, tmp_path / "evidence.json")
    assert ev.read(tmp_path / "evidence.json") == evidence
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(msgspec.ValidationError):
        ev.read(tmp_path / "evidence.json")
