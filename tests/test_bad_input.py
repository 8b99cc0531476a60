"""What can't run says why, ends with an exit code other than 0, and leaves nothing behind."""

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chaosp7.embedded import provision
from chaosp7.platform.loader import load
from chaosp7.platform.process_driver import ProcessDriver
from tests.chaos import BASELINE, PLATFORM, RESTART, chaos_run
from tests.edited import edited


def altered(source: Path, target: Path, old: str, new: str) -> Path:
    text = source.read_text()
    assert old in text
    target.write_text(text.replace(old, new, 1))
    return target


def assert_nothing_is_left(folder: Path) -> None:
    assert not ProcessDriver(name="embedded").running()
    # No evidence: nothing half-done can be taken for a result.
    assert not list(folder.glob("reports/*/evidence.json"))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"service": "redpnda"}, "unknown service 'redpnda'"),
        # An argument that a later action will have; what it names is checked before it is called.
        ({"service": "redpanda", "link": "clickhouse->nowhere"}, "link"),
    ],
)
def test_an_experiment_that_names_what_is_not_there_touches_nothing(
    tmp_path: Path, arguments: dict[str, str], problem: str
) -> None:
    def naming(content: dict[str, Any]) -> None:
        content["method"][0]["provider"]["arguments"] = arguments

    path = edited(RESTART, tmp_path, naming)
    run = chaos_run(path, tmp_path)
    assert run.code != 0
    assert problem in run.flat
    assert run.verdict in {"", "error"}
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "reports").exists()


def test_a_broken_platform_file_ends_the_run_with_file_line_and_key(tmp_path: Path) -> None:
    broken = altered(PLATFORM, tmp_path / "broken.yaml", "part: kafka", "part: kafkaa")
    run = chaos_run(BASELINE, tmp_path, CHAOSP7_PLATFORM=str(broken))
    assert (run.code, run.verdict) == (1, "error")
    assert "broken.yaml:14: services.redpanda.part: Invalid enum value 'kafkaa'" in run.flat
    assert not (tmp_path / "state").exists()


def test_a_platform_file_with_an_unknown_service_names_it(tmp_path: Path) -> None:
    broken = altered(PLATFORM, tmp_path / "broken.yaml", "service: clickhouse\n", "service: clickhaus\n")
    run = chaos_run(BASELINE, tmp_path, CHAOSP7_PLATFORM=str(broken))
    assert (run.code, run.verdict) == (1, "error")
    assert "unknown service 'clickhaus'" in run.flat
    assert "broken.yaml:" in run.flat


def test_a_port_in_use_is_named_and_nothing_is_started(parts: provision.Parts, tmp_path: Path) -> None:
    del parts
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fixed = altered(
            PLATFORM, tmp_path / "fixed.yaml", "{part: clickhouse}", f"{{part: clickhouse, port: {port}}}"
        )
        run = chaos_run(BASELINE, tmp_path, CHAOSP7_PLATFORM=str(fixed))
    assert (run.code, run.verdict) == (1, "error"), run.output
    assert str(port) in run.flat
    assert_nothing_is_left(tmp_path)


def test_clickhouse_down_at_the_start_is_named_and_the_platform_left_as_it_was(
    parts: provision.Parts, tmp_path: Path
) -> None:
    del parts
    driver = ProcessDriver(load(PLATFORM))
    driver.up()
    try:
        driver.stop("clickhouse")
        run = chaos_run(BASELINE, tmp_path)
        assert (run.code, run.verdict) == (1, "error"), run.output
        assert "not healthy before the run: " in run.flat
        assert "clickhouse" in run.flat
        # It was up before the run, so it is up after it; its ClickHouse stays the user's affair.
        assert driver.running()
        assert not driver.service_status("clickhouse").healthy
    finally:
        driver.down()
    assert_nothing_is_left(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that is to be filled")
def test_a_full_disk_under_the_ledger_is_an_error_and_no_result(
    parts: provision.Parts, tmp_path: Path
) -> None:
    del parts
    disk = tmp_path / "reports"
    disk.mkdir()
    # Room for the evidence and some seconds of messages, 64 bytes each.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], check=True)
    try:
        run = chaos_run(BASELINE, tmp_path, CHAOSP7_DURATION_S="10")
        assert run.code != 0, run.output
        assert run.verdict == "error", run.output
        assert "No space left" in run.flat
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    assert not ProcessDriver(name="embedded").running()
