"""``chaosp7 plan`` says what would happen, touches nothing, and refuses what isn't there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import PLATFORM, REPOSITORY, RESTART
from tests.edited import edited
from tests.lite import EXCHANGE_LINK, HANDLER
from tests.short import action, write_experiment
from tests.waiting import PATIENCE_S


def planned(experiment: Path, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    own = {"CHAOSP7_STATE_DIR": str(folder / "state"), "CHAOSP7_PLATFORM": str(PLATFORM)}
    done = subprocess.run(
        [sys.executable, "-c", "from chaosp7.cli import main; main()", "plan", str(experiment)],
        cwd=folder,
        env={**os.environ, **own, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    # Whatever it says, nothing was made: no state, no report, no journal.
    assert {path.name for path in folder.iterdir()} <= {"experiment.json"}
    return done


#: Experiments whose fault is only known from a platform that runs.
UNTOLD = {"leader-paused", "object-store-503", "offload-twice", "topic-deletion-refused"}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "experiments").glob("*.json")), ids=lambda p: p.stem)
def test_every_shipped_experiment_has_a_plan(path: Path, tmp_path: Path) -> None:
    done = planned(path, tmp_path, CHAOSP7_RATE_PER_S="123")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(path.stem + "\n")
    assert "123 messages/s" in done.stdout  # what its configuration says, not ${rate_per_s}
    assert "${" not in done.stdout
    faults = len(json.loads(path.read_text())["method"])
    # Who leads and what a broker refuses is only known from the broker; ports and commands from the platform.
    untold = done.stdout.count("what it does can only be told once the platform runs")
    assert untold == (path.stem in UNTOLD)
    assert done.stdout.count("       fault     ") == faults - untold
    assert done.stdout.count("       undone    ") == faults - untold


@pytest.mark.parametrize(("rate", "warned"), [("25", True), ("50", False)])
def test_feeds_that_send_too_rarely_to_be_fresh_are_warned_of(
    tmp_path: Path, rate: str, warned: bool
) -> None:
    done = planned(REPOSITORY / "experiments" / "baseline.json", tmp_path, CHAOSP7_RATE_PER_S=rate)
    assert done.returncode == 0, done.stderr
    assert ("the steady state may never be met" in done.stdout) == warned


def test_a_fault_is_told_with_its_arguments_its_limit_and_its_undoing(tmp_path: Path) -> None:
    pauses: dict[str, Any] = {"pauses": {"before": 3, "after": 4}}
    method = [
        action("latency", "slow_link", link=EXCHANGE_LINK, latency_ms=70, duration_s=11) | pauses,
        action("pause", "pause_service", background=True, service=HANDLER, duration_s=5, healthy_within_s=20),
        action("partition", "partition_services", groups=[[HANDLER], ["exchange"]], duration_s=2),
    ]
    done = planned(write_experiment(tmp_path, method), tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "1. slow_link, after a pause of 3 s, then a pause of 4 s",
        "latency_ms=70, jitter_ms=0",
        f"latency of {EXCHANGE_LINK}",
        "41 s, healing included",
        f"heal-link {EXCHANGE_LINK}",
        "2. pause_service, in the background",
        "Stop its process, or freeze its container.",
        "See that it is stopped.",
        f"resume {HANDLER}: Let it go on.",
        "55 s, healing included",
        f"partition of {HANDLER} | exchange",
        "recovery_s None",
        "free-disk (every 1 s)",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("method", "control", "problem"),
    [
        (action("kill", "kill_service", service="nobody"), {}, "unknown service 'nobody'"),
        (action("refuse", "refuse_link", link="a->b"), {}, "unknown link 'a->b'"),
        (action("partition", "partition_services", groups=[[HANDLER], ["nobody"]]), {}, "unknown service 'nobody'"),
        (action("restart", "restart_service", service=HANDLER, signal="SIGHUP"), {}, "not 'SIGHUP'"),
        (action("kill", "kill_service", service=HANDLER, servce=1), {}, "servce"),
        (action("kill", "no_such_thing", service=HANDLER), {}, "no_such_thing"),
        (action("kill", "kill_service", service=HANDLER), {"platform": "nowhere"}, "no platform file 'nowhere'"),
        (action("kill", "kill_service", service=HANDLER), {"budget": {"lots": 1}}, "lots"),
        (action("kill", "kill_service", service=HANDLER), {"spede": 1}, "no argument spede"),
        (action("kill", "kill_service", service=HANDLER), {"safeguards": [{"name": "x"}]}, "'x' has no tolerance"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error(
    tmp_path: Path, method: dict[str, Any], control: dict[str, Any], problem: str
) -> None:
    done = planned(write_experiment(tmp_path, [method], **control), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_given_by_configuration_is_resolved_and_checked(tmp_path: Path) -> None:
    def by_configuration(content: dict[str, Any]) -> None:
        content["configuration"]["target"] = {"type": "env", "key": "TARGET", "default": HANDLER}
        content["method"][0]["provider"]["arguments"]["service"] = "${target}"

    path = edited(RESTART, tmp_path, by_configuration)
    done = planned(path, tmp_path)
    assert f"restart of {HANDLER}: signal SIGKILL" in done.stdout, done.stderr
    done = planned(path, tmp_path, TARGET="nobody")
    assert (done.returncode, "unknown service 'nobody'" in done.stderr) == (2, True)


def test_an_experiment_without_the_control_is_an_error(tmp_path: Path) -> None:
    path = edited(RESTART, tmp_path, lambda content: content.pop("controls"))
    done = planned(path, tmp_path)
    assert (done.returncode, "nothing would be measured" in done.stderr) == (2, True)
