"""Suites of real `chaos run` processes."""

import json
import os
import pty
import select
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosp7.embedded.provision import Parts
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run import status as st
from chaosp7.safety.heal import ledger_of
from tests.chaos import REPOSITORY, environment
from tests.lite import EXCHANGE_LINK, Lite
from tests.short import action, write_experiment
from tests.suite.suites import command, experiment, run_suite, suite_of
from tests.waiting import PATIENCE_S, until

EXISTS = {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": "/"}}


def wait(seconds: float) -> dict[str, Any]:
    return {"type": "probe", "name": "wait", "provider": EXISTS, "pauses": {"after": seconds}}


#: Longer than a test waits: what is over before was ended.
HOLE = action("blackhole", "blackhole_link", link=EXCHANGE_LINK, duration_s=2 * PATIENCE_S)


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test finds the platform healthy and leaves it so."""
    if "embedded" not in request.fixturenames:
        yield
        return
    driver = request.getfixturevalue("embedded").driver
    until(lambda: all(status.healthy for status in driver.status().values()))
    yield
    until(lambda: all(status.healthy for status in driver.status().values()))


def by_name(folder: Path) -> dict[str, dict[str, Any]]:
    return {run["experiment"]: run for run in suite_of(folder)["runs"]}


def test_what_leaves_no_result_of_ours_is_an_error_whatever_its_exit_code(tmp_path: Path) -> None:
    good = experiment(tmp_path, "good")
    (tmp_path / "broken.json").write_text("{")
    done = run_suite(tmp_path, good, "broken.json", "--repeat", "2", "--junit", "out/junit.xml")
    assert done.returncode == 10, done.stderr
    runs = suite_of(tmp_path)["runs"]
    assert [(r["experiment"], r["repetition"], r["verdict"]) for r in runs] == [
        ("good", 1, "error"), ("broken", 1, "error"), ("good", 2, "error"), ("broken", 2, "error"),
    ]  # fmt: skip
    assert runs[0]["exit_code"] == 0  # Chaos Toolkit's own opinion
    assert "no result of ours" in runs[0]["reasons"][0]
    assert "no journal" in runs[1]["reasons"][0]
    folders = {r["folder"] for r in runs}
    assert len(folders) == 4
    assert all((tmp_path / "reports" / folder / "output.log").exists() for folder in folders)
    assert runs[2]["folder"].endswith("-good-2")
    # A run that left nothing at all is in the reports, too.
    root = ET.fromstring((tmp_path / "out" / "junit.xml").read_text())  # noqa: S314 - ours
    assert (root.get("tests"), root.get("errors")) == ("4", "4")
    assert (next((tmp_path / "reports").glob("*-suite")) / "report.html").exists()


def test_lines_without_a_terminal_have_no_control_characters(tmp_path: Path) -> None:
    done = run_suite(tmp_path, experiment(tmp_path, "good"))
    assert "\x1b" not in done.stdout + done.stderr
    assert "[1/1] good: begun" in done.stderr
    assert "[1/1] good: error" in done.stderr
    assert all(line[2] == ":" and line[8] == "Z" for line in done.stderr.splitlines())


def test_fail_fast_begins_nothing_more(tmp_path: Path) -> None:
    run_suite(tmp_path, experiment(tmp_path, "one"), experiment(tmp_path, "two"), "--fail-fast")
    runs = by_name(tmp_path)
    assert (runs["one"]["verdict"], runs["two"]["verdict"], runs["two"]["folder"]) == ("error", None, None)


@pytest.mark.parametrize("arguments", [[], ["no-such-file.json"], ["good.json", "--repeat", "0"]])
def test_bad_usage_is_2(tmp_path: Path, arguments: list[str]) -> None:
    experiment(tmp_path, "good")
    assert run_suite(tmp_path, *arguments).returncode == 2
    assert not (tmp_path / "reports").exists()


def test_help_has_all_exit_codes(tmp_path: Path) -> None:
    text = " ".join(run_suite(tmp_path, "--help").stdout.replace("-\n", "-").split())
    for word in ("0 passed", "10 error", "11 interrupted", "17 deviated", "2 is bad usage"):
        assert word in text


def test_a_parallel_run_has_a_state_folder_of_its_own(tmp_path: Path) -> None:
    who = {"type": "process", "path": "sh", "arguments": "-c 'echo $CHAOSP7_STATE_DIR; pwd; sleep 3'"}
    method = [{"type": "action", "name": "who", "provider": who}]
    files = [experiment(tmp_path, name, method=method) for name in ("one", "two")]
    run_suite(tmp_path, *files, "--parallel", "2")
    said = []
    for run in by_name(tmp_path).values():
        journal = json.loads((tmp_path / "reports" / run["folder"] / "journal.json").read_text())
        said.append(journal["run"][0]["output"]["stdout"].split())
    (one, one_in), (two, two_in) = said
    assert {Path(one), Path(two)} == {tmp_path / "state" / ".lanes" / n for n in ("1", "2")}
    assert {Path(one_in).name, Path(two_in).name} == {r["folder"] for r in by_name(tmp_path).values()}


def test_platforms_in_containers_are_not_there_twice(tmp_path: Path) -> None:
    done = run_suite(tmp_path, experiment(tmp_path, "x"), "--parallel", "2", "--platform", "embedded-docker")
    assert (done.returncode, "only one of it" in done.stderr) == (2, True)
    write_experiment(tmp_path, [], platform="embedded-docker").rename(tmp_path / "own.json")
    done = run_suite(tmp_path, experiment(tmp_path, "x"), "own.json", "--parallel", "2")
    assert (done.returncode, "embedded-docker is in containers" in done.stderr) == (2, True)
    assert not (tmp_path / "reports").exists()


def start(folder: Path, state: Path, *arguments: str) -> subprocess.Popen[bytes]:
    env = environment(folder, CHAOSP7_STATE_DIR=str(state), PYTHONPATH=str(REPOSITORY))
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(command(*arguments), cwd=folder, env=env, stdout=said, stderr=said)


def in_fault(folder: Path) -> bool:
    found = [st.read(path) for path in folder.glob("reports/*/status.json")]
    return any(one is not None and one.faults for one in found)


def test_ctrl_c_heals_writes_the_report_and_begins_nothing_more(embedded: Lite, tmp_path: Path) -> None:
    method = [HOLE | {"background": True}, wait(60)]
    write_experiment(tmp_path, method).rename(tmp_path / "hole.json")
    process = start(tmp_path, embedded.state, "hole.json", experiment(tmp_path, "next"))
    try:
        until(lambda: in_fault(tmp_path), said=(tmp_path / "said").read_text)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 11, (tmp_path / "said").read_text()
    finally:
        process.kill()
        process.wait()
    suite = suite_of(tmp_path)
    assert (suite["verdict"], suite["interrupted"]) == ("interrupted", True)
    runs = by_name(tmp_path)
    assert (runs["short"]["verdict"], runs["next"]["verdict"]) == ("interrupted", None), runs
    assert (tmp_path / "reports" / runs["short"]["folder"] / "evidence.json").exists()
    assert list(tmp_path.glob("reports/*-suite/report.html"))
    assert ledger_of(embedded.driver).open_faults() == []
    assert all(state.clean for state in embedded.driver.links.states().values())


def test_a_second_ctrl_c_kills_and_the_watchdog_heals(embedded: Lite, tmp_path: Path) -> None:
    write_experiment(tmp_path, [HOLE]).rename(tmp_path / "hole.json")
    process = start(tmp_path, embedded.state, "hole.json")
    try:
        until(lambda: in_fault(tmp_path), said=(tmp_path / "said").read_text)
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        code = process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    # Killed it has no journal; where it was quick enough to conclude it is interrupted.
    assert code in {10, 11}, (tmp_path / "said").read_text()
    assert suite_of(tmp_path)["runs"][0]["verdict"] in {"error", "interrupted"}
    assert ledger_of(embedded.driver).open_faults() == []
    assert all(state.clean for state in embedded.driver.links.states().values())


def test_a_suite_that_is_killed_leaves_no_run_behind(embedded: Lite, tmp_path: Path) -> None:
    write_experiment(tmp_path, [HOLE]).rename(tmp_path / "hole.json")
    process = start(tmp_path, embedded.state, "hole.json")
    try:
        until(lambda: in_fault(tmp_path), said=(tmp_path / "said").read_text)
    finally:
        process.kill()
        process.wait()
    until(lambda: bool(list(tmp_path.glob("reports/*/journal.json"))))
    assert ledger_of(embedded.driver).open_faults() == []
    assert suite_of(tmp_path)["verdict"] is None  # never taken for a result


def test_a_run_that_passes_is_passed_and_says_how_far_it_is(embedded: Lite, tmp_path: Path) -> None:
    write_experiment(tmp_path, []).rename(tmp_path / "good.json")
    done = run_suite(tmp_path, "good.json", CHAOSP7_STATE_DIR=str(embedded.state))
    assert done.returncode == 0, done.stderr
    status = st.read(next(tmp_path.glob("reports/*/status.json")))
    assert status is not None
    assert (status.stage, status.sent > 0) == (st.Stage.ENDED, True)
    assert {tier.visible for tier in status.tiers.values()} == {status.sent}
    for stage in ("load goes on", "drain"):
        assert stage in done.stderr


def test_on_a_terminal_a_table_is_drawn(tmp_path: Path) -> None:
    experiment(tmp_path, "slow", method=[wait(5)])
    ours, theirs = pty.openpty()
    env = environment(tmp_path, TERM="xterm-256color", COLUMNS="100", LINES="40")
    env = {key: value for key, value in env.items() if key not in {"CI", "NO_COLOR"}}
    process = subprocess.Popen(
        command("slow.json"), cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    drawn = b""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.5)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            drawn += data
    os.close(ours)
    assert process.wait(PATIENCE_S) == 10
    text = drawn.decode()
    assert "\x1b[" in text
    assert text.count("EXPERIMENT") > 3  # again and again
    for word in ("beginning", "0:01", "✗"):
        assert word in text


def test_nothing_is_left_of_a_platform_that_a_run_brought_up_before_it_was_interrupted(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del parts
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    write_experiment(tmp_path, [HOLE]).rename(tmp_path / "hole.json")
    process = start(tmp_path, tmp_path / "state", "hole.json")
    try:
        until(lambda: bool(list(tmp_path.glob("reports/*/status.json"))), said=(tmp_path / "said").read_text)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) in {10, 11}, (tmp_path / "said").read_text()
    finally:
        process.kill()
        process.wait()
    assert not ProcessDriver(name="embedded").running()
