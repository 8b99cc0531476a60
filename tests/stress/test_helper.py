"""A helper ends whatever becomes of who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaosp7.errors import FaultError
from chaosp7.stress.helper import Helper, end_helper, helpers, new_token
from tests.waiting import until

REPOSITORY = Path(__file__).parents[2]

STARTER = """
import time
from chaosp7.stress.helper import Helper
Helper(input(), ["--workers", "2"], 60).start()
print("started", flush=True)
time.sleep(60)
"""


def test_a_helper_and_its_workers_are_found_and_ended_by_their_token() -> None:
    helper, other = Helper(new_token(), ["--workers", "2"], 60), Helper(new_token(), ["--bytes", "4096"], 60)
    try:
        helper.start()
        other.start()
        assert len(helpers(helper.token)) == 3
        assert len(helpers(other.token)) == 1
        helper.end()
        assert helpers(helper.token) == []
        assert len(helpers(other.token)) == 1
        helper.end()  # once more does no harm
    finally:
        helper.end()
        other.end()


def test_a_helper_that_was_never_started_is_ended_already() -> None:
    end_helper(new_token())


def test_a_helper_ends_by_itself_when_its_time_is_over() -> None:
    helper = Helper(new_token(), ["--workers", "1"], 3)
    helper.start()
    until(lambda: not helpers(helper.token))
    helper.end()


def test_a_helper_dies_with_a_killed_starter() -> None:
    token = new_token()
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        starter.stdin.write(f"{token}\n")
        starter.stdin.flush()
        assert starter.stdout.readline() == "started\n"
        assert len(helpers(token)) == 3
        os.kill(starter.pid, signal.SIGKILL)
        until(lambda: not helpers(token), 30)  # by themselves they end after 60 s


def test_memory_is_really_taken() -> None:
    helper = Helper(new_token(), ["--bytes", str(64 << 20)], 60)
    try:
        helper.start()
        assert helper.resident_bytes() >= 64 << 20
    finally:
        helper.end()
    assert helper.resident_bytes() == 0


def test_a_helper_that_cannot_begin_is_told() -> None:
    helper = Helper(new_token(), ["--bytes", str(1 << 60)], 60)
    with pytest.raises(FaultError, match="before it began"):
        helper.start()
    helper.end()
