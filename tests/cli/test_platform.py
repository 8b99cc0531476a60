"""The command line as a user meets it: in processes of its own, against real services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosp7 import __version__
from chaosp7.embedded.provision import Parts
from chaosp7.embedded.state import StateDir
from chaosp7.platform.control_client import end_stragglers, stragglers
from tests.chaos import HEARS_CTRL_C
from tests.waiting import PATIENCE_S, until

_MAIN = "from chaosp7.cli import main; main()"


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    state = tmp_path / "state"
    yield {**os.environ, "CHAOSP7_STATE_DIR": str(state), "COLUMNS": "200"}
    for folder in state.glob("*"):
        end_stragglers(StateDir(folder))


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", _MAIN, *words]


def _run(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*words), env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def test_version_and_help(env: dict[str, str]) -> None:
    assert __version__ in _run(env, "--version").stdout
    shown = _run(env, "platform", "--help").stdout
    for command in ("up", "down", "status", "logs"):
        assert command in shown
        assert _run(env, "platform", command, "--help").returncode == 0


def test_a_platform_that_is_not_running_is_exit_code_3(env: dict[str, str]) -> None:
    done = _run(env, "platform", "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert "isn't running" in done.stderr
    done = _run(env, "platform", "status", "--json", "--name", "other")
    assert done.returncode == 3
    assert json.loads(done.stdout)["running"] is False
    assert _run(env, "platform", "down").returncode == 0


def test_an_error_is_one_line_and_exit_code_2(env: dict[str, str]) -> None:
    for words in (
        ("up", "-p", "nowhere"),
        ("status", "-p", "nowhere"),
        ("logs", "redpanda"),
        ("down", "--name", "a/b"),
    ):
        done = _run(env, "platform", *words)
        assert done.returncode == 2, done
        assert done.stderr.startswith("chaosp7: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "kill"])
def test_an_interrupted_up_ends_everything_it_started(
    env: dict[str, str], parts: Parts, signum: signal.Signals
) -> None:
    assert parts
    command = [*HEARS_CTRL_C, *_command("platform", "up")]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    state = StateDir(Path(env["CHAOSP7_STATE_DIR"]) / "embedded")
    until(lambda: state.pid_file("redpanda").exists() or process.poll() is not None)
    assert process.poll() is None
    assert stragglers(state)
    process.send_signal(signum)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert "Aborted" in said
    assert not stragglers(state)


def test_the_whole_platform_comes_up_is_looked_at_and_ends(env: dict[str, str], parts: Parts) -> None:
    assert parts
    done = _run(env, "platform", "up")
    assert done.returncode == 0, done.stderr
    assert "silver-processor is healthy" in done.stderr
    assert "is up after" in done.stderr

    done = _run(env, "platform", "status")
    assert done.returncode == 0
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:]}
    assert set(rows.values()) == {"healthy"}
    assert len(rows) == 8
    told = json.loads(_run(env, "platform", "status", "--json").stdout)
    assert (told["running"], told["phase"], set(told["services"])) == (True, "up", set(rows))

    assert "runs already" in _run(env, "platform", "up").stderr
    assert "ClickHouse" in _run(env, "platform", "logs", "clickhouse").stdout
    assert "all services are healthy" in _run(env, "platform", "logs", "supervisor").stdout

    os.kill(told["services"]["silver-processor"]["pid"], signal.SIGSTOP)
    until(lambda: _run(env, "platform", "status").returncode == 1)

    assert "was ended in" in _run(env, "platform", "down").stderr
    assert _run(env, "platform", "status").returncode == 3
    assert not stragglers(StateDir(Path(env["CHAOSP7_STATE_DIR"]) / "embedded"))
