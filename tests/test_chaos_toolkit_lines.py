"""Both lines of Chaos Toolkit find and accept what is shipped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import REPOSITORY
from tests.examples.outsider import Outsider, build_wheel
from tests.newer_line import NEWER_ENV, find_python, packages
from tests.waiting import PATIENCE_S

#: Chaos Toolkit's own commands, one after the other: to import it takes longer than to validate.
VALIDATE = """
import sys
from chaostoolkit.cli import cli
for path in sys.argv[1:]:
    try:
        cli(["--no-version-check", "--no-log-file", "validate", path])
    except SystemExit as ended:
        if ended.code:
            raise
    print("right:", path)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A Python with the newer line and the built wheel, if there is one; the line is installed once per user."""
    python = find_python()
    if python is None:
        return None
    folder = tmp_path_factory.mktemp("newer")
    return Outsider.install(folder / "venv", build_wheel(folder), python.path, packages(python)).python


@pytest.fixture
def newer(installed: Path | None, request: pytest.FixtureRequest) -> Path:
    """A Python 3.12 or later with the newer line."""
    if installed is None:
        request.node.add_marker(pytest.mark.skip)  # has pytest say it in one line for all of them
        pytest.skip(f"no Python 3.12 or later on PATH or among pyenv's, and ${NEWER_ENV} names none")
    return installed


@pytest.fixture(params=["locked", "newer"])
def python(request: pytest.FixtureRequest) -> Path:
    """A Python with the line that the lock holds, or one with the newer one."""
    return Path(sys.executable) if request.param == "locked" else request.getfixturevalue("newer")


def run(python: Path, folder: Path, *arguments: str) -> str:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-P", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def line_of(python: Path, folder: Path) -> tuple[int, ...]:
    code = "import importlib.metadata as m; print(m.version('chaostoolkit'), m.version('chaostoolkit-lib'))"
    cli, lib = run(python, folder, "-c", code).split()
    return (*map(int, cli.split(".")[:2]), *map(int, lib.split(".")[:2]))


def test_each_line_is_the_one_that_is_meant(newer: Path, tmp_path: Path) -> None:
    assert line_of(Path(sys.executable), tmp_path) == (1, 19, 1, 44)
    assert line_of(newer, tmp_path) >= (1, 21, 1, 45)
    assert "chaosp7" in run(newer, tmp_path, "-c", "import chaosp7; print(chaosp7.__file__)")


def test_chaosp7_is_discovered(python: Path, tmp_path: Path) -> None:
    options = ("--no-version-check", "--no-log-file")
    run(python, tmp_path, "-m", "chaostoolkit", *options, "discover", "chaosp7", "--no-install")
    # Its exit code is 0 when it fails, too.
    found = json.loads((tmp_path / "discovery.json").read_text())
    names = {activity["name"] for activity in found["activities"]}
    assert {"kill_service", "all_tiers_fresh", "before_experiment_control"} <= names


def test_all_experiments_are_valid(python: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in sorted((REPOSITORY / "experiments").glob("*.json"))]
    said = run(python, tmp_path, "-c", VALIDATE, *paths)
    assert [line.removeprefix("right: ") for line in said.splitlines() if line.startswith("right: ")] == paths


def test_what_is_no_experiment_is_valid_to_neither(python: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text(
        '{"title": "wrong", "description": "wrong", "method": [{"type": "action"}]}'
    )
    with pytest.raises(AssertionError):
        run(python, tmp_path, "-c", VALIDATE, "wrong.json")
