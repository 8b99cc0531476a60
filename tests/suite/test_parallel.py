"""Two platforms side by side: real ones, each in a process tree and a state folder of its own."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from chaosp7.embedded.provision import Parts
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run import evidence as ev
from tests.chaos import PLATFORM
from tests.short import action, write_experiment
from tests.suite.suites import run_suite, suite_of

pytestmark = [pytest.mark.alone, pytest.mark.soak]

#: Beside each other they have half a machine each.
RATE_PER_S, DURATION_S = 60, 8


def experiment(folder: Path, name: str, method: list[dict[str, Any]]) -> str:
    """Write an experiment, and the file of the platform that it names: the shipped one under another name."""
    (folder / f"{name}.yaml").write_text(f"extends: {PLATFORM}\nname: {name}\n")
    load = {"rate_per_s": RATE_PER_S, "duration_s": DURATION_S, "settle_s": 2, "drain_deadline_s": 120}
    path = write_experiment(folder, method, platform=f"{name}.yaml", **load)
    content = json.loads(path.read_text()) | {"title": name}
    path.write_text(json.dumps(content))
    return path.rename(folder / f"{name}.json").name


def test_two_platforms_are_tested_side_by_side_and_one_s_fault_is_not_the_other_s(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del parts  # only have to be there
    kill = action("restart", "restart_service", service="redpanda", signal="SIGKILL")
    files = [experiment(tmp_path, "struck", [kill]), experiment(tmp_path, "spared", [])]
    documents = ("--junit", "junit.xml", "--json", "all.json", "--markdown", "all.md")
    done = run_suite(tmp_path, *files, "--parallel", "2", *documents)
    assert done.returncode == 0, done.stdout + done.stderr

    suite = suite_of(tmp_path)
    assert (suite["verdict"], suite["exit_code"], suite["parallel"]) == ("passed", 0, 2)
    runs = {run["experiment"]: run for run in suite["runs"]}
    assert {name: run["verdict"] for name, run in runs.items()} == {"struck": "passed", "spared": "passed"}
    assert {run["lane"] for run in runs.values()} == {1, 2}

    found = {
        name: ev.read(tmp_path / "reports" / run["folder"] / "evidence.json") for name, run in runs.items()
    }
    for name, evidence in found.items():
        assert evidence.platform == name
        assert evidence.load is not None
        assert evidence.load.messages >= RATE_PER_S * DURATION_S
        assert [tier.tier for tier in evidence.tiers] == ["topic", "raw", "bronze", "silver", "gold"]
        assert {tier.delivered for tier in evidence.tiers} == {evidence.load.messages}
    (fault,) = found["struck"].faults
    assert (fault.target, fault.verified_end_ns is not None) == ("redpanda", True)
    assert found["spared"].faults == []

    # By the one clock of both, the loads were on at once.
    loads = [evidence.load for evidence in found.values() if evidence.load]
    both_from, both_to = max(load.start_ns for load in loads), min(load.end_ns for load in loads)
    assert both_to - both_from > 1e9, loads

    root = ET.fromstring((tmp_path / "junit.xml").read_text())  # noqa: S314 - ours
    assert [root.get(count) for count in ("tests", "failures", "errors")] == ["2", "0", "0"]
    told = json.loads((tmp_path / "all.json").read_text())
    assert (told["verdict"], {run["experiment"] for run in told["runs"]}) == ("passed", set(runs))
    (page,) = tmp_path.glob("reports/*-suite/report.html")
    for text in (page.read_text(), (tmp_path / "all.md").read_text()):
        assert all(name in text for name in runs)

    for name, run in runs.items():
        lane = tmp_path / "state" / ".lanes" / str(run["lane"])
        assert (lane / name / "faults.jsonl").exists() == (name == "struck")
        monkeypatch.setenv("CHAOSP7_STATE_DIR", str(lane))
        assert not ProcessDriver(name=name).running()
    assert [path.name for path in (tmp_path / "state").iterdir()] == [".lanes"]
