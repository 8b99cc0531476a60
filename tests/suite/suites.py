"""`chaosp7 run` as a user types it, in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.chaos import REPOSITORY, environment
from tests.waiting import RUN_S

__all__ = ["command", "experiment", "run_suite", "suite_of"]


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("chaosp7")), "run", *arguments]


def experiment(folder: Path, name: str, **changed: Any) -> str:
    """Write an experiment that needs no platform, and is none of ours unless told so."""
    content = {"title": name, "description": name, "method": []} | changed
    (folder / f"{name}.json").write_text(json.dumps(content))
    return f"{name}.json"


def run_suite(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, PYTHONPATH=str(REPOSITORY), **env),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


def suite_of(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "reports").glob("*-suite/suite.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found
