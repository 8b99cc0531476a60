"""Both lines of Chaos Toolkit find and accept what is shipped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import REPOSITORY

#: A Python 3.12 or later that has chaosp7 and Chaos Toolkit 1.21 or later; else that line isn't tested here.
NEWER_ENV = "CHAOSP7_NEWER_PYTHON"


def pythons() -> list[str]:
    return [sys.executable, os.environ.get(NEWER_ENV, "")]


@pytest.fixture(params=pythons(), ids=["this", "newer"])
def python(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    if not path:
        pytest.skip(f"${NEWER_ENV} names no Python 3.12 with Chaos Toolkit 1.21: see docs/suite.md")
    return path


def chaos(python: str, folder: Path, *arguments: str) -> str:
    command = [python, "-P", "-m", "chaostoolkit", "--no-version-check", "--no-log-file", *arguments]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_line_is_the_one_that_is_meant(python: str) -> None:
    code = "import sys, importlib.metadata as m; print(*sys.version_info[:2], m.version('chaostoolkit-lib'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    major, minor, lib = done.stdout.split()
    line = tuple(int(part) for part in lib.split(".")[:2])
    assert (line >= (1, 45)) == ((int(major), int(minor)) >= (3, 12)), done.stdout


def test_chaosp7_is_discovered(python: str, tmp_path: Path) -> None:
    chaos(python, tmp_path, "discover", "chaosp7", "--no-install")
    # Its exit code is 0 when it fails, too.
    found = json.loads((tmp_path / "discovery.json").read_text())
    names = {activity["name"] for activity in found["activities"]}
    assert {"kill_service", "all_tiers_fresh", "before_experiment_control"} <= names


def test_all_experiments_are_valid(python: str, tmp_path: Path) -> None:
    for path in sorted((REPOSITORY / "experiments").glob("*.json")):
        assert "valid" in chaos(python, tmp_path, "validate", str(path))
