"""Whatever becomes of the runner, nothing of its faults is left within seconds."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaosp7.errors import FaultError
from chaosp7.platform.process_driver import ServiceState
from chaosp7.safety.heal import ledger_of, leftovers
from tests.lite import Lite
from tests.safety.runner import FAULTS
from tests.waiting import PATIENCE_S, until

REPOSITORY = Path(__file__).parents[2]
CLEAN_WITHIN_S = 5.0
RANDOM = random.Random(5)  # noqa: S311 - moments, not secrets


@contextmanager
def runner(lite: Lite, fault: str, max_s: float = 100) -> Iterator[subprocess.Popen[str]]:
    """Start a runner and wait until its fault is in force; it is killed in the end, if not before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.safety.runner", fault, str(max_s)],
        cwd=REPOSITORY,
        env={**os.environ, "CHAOSP7_STATE_DIR": str(lite.state)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "in force\n"]
            assert not clean(lite)
            yield process
        finally:
            process.kill()


def clean(lite: Lite) -> bool:
    """Nothing is stopped, down or cut, and the ledger says so too."""
    services = lite.driver.status().values()
    whole = all(s.state is not ServiceState.STOPPED for s in services)
    going = not any(s.process is not None and s.process.stopped() for s in services)
    try:
        links = all(state.clean for state in lite.driver.links.states().values())
    except FaultError:
        return False  # Toxiproxy itself is down
    return whole and going and links and not ledger_of(lite.driver).open_faults()


def until_healthy(lite: Lite) -> None:
    until(lambda: all(s.healthy for s in lite.driver.status().values()))


def chaosp7_heal(lite: Lite, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from chaosp7.cli import main; main()", "heal", "--name", "lite", *words],
        env={**os.environ, "CHAOSP7_STATE_DIR": str(lite.state)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "isolate"])
def test_a_killed_runner_leaves_nothing_after_five_seconds(lite: Lite, fault: str) -> None:
    with runner(lite, fault) as process:
        time.sleep(RANDOM.uniform(0, 0.5))
        process.kill()
        process.wait()
        until(lambda: clean(lite), CLEAN_WITHIN_S)
    checked = chaosp7_heal(lite, "--check")
    assert checked.returncode == 0, checked.stderr
    until_healthy(lite)


def test_a_runner_that_hangs_is_healed_after(lite: Lite) -> None:
    with runner(lite, "blackhole") as process:
        process.send_signal(signal.SIGSTOP)
        until(lambda: clean(lite), CLEAN_WITHIN_S + 10)


def test_a_fault_that_outlives_its_deadline_is_ended(lite: Lite) -> None:
    with runner(lite, "refuse", max_s=1) as process:
        until(lambda: clean(lite), CLEAN_WITHIN_S + 10)
        assert process.poll() is None


def test_heal_undoes_by_hand_what_no_watchdog_is_left_for(lite: Lite) -> None:
    with runner(lite, "pause") as process:
        # The watchdog first: it is the runner's only child.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in [*map(int, children), process.pid]:
            os.kill(pid, signal.SIGKILL)
    checked = chaosp7_heal(lite, "--check")
    assert checked.returncode == 1
    assert "left: pause" in checked.stderr
    assert leftovers(lite.driver)
    healed = chaosp7_heal(lite)
    assert (healed.returncode, "healed: pause" in healed.stderr) == (0, True), healed.stderr
    assert clean(lite)
    assert chaosp7_heal(lite, "--check").returncode == 0
    until_healthy(lite)
