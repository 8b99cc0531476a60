"""Plain `chaos run` in a folder of its own, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import RUN_S

__all__ = [
    "BASELINE",
    "HANDLER_CRASH",
    "HEARS_CTRL_C",
    "PLATFORM",
    "RESTART",
    "ChaosRun",
    "chaos_run",
    "command",
    "environment",
    "unhurried",
]

#: In front of a command: a shell that runs the tests in the background has its children ignore Ctrl-C.
HEARS_CTRL_C = ["env", "--default-signal=INT"]

REPOSITORY = Path(__file__).parents[1]
RESTART = REPOSITORY / "experiments" / "redpanda-restart.json"
BASELINE = REPOSITORY / "experiments" / "baseline.json"
HANDLER_CRASH = REPOSITORY / "experiments" / "feed-handler-crash.json"
PLATFORM = REPOSITORY / "platforms" / "embedded.yaml"


@dataclass(frozen=True, slots=True)
class ChaosRun:
    """What a run left behind.

    Attributes:
        code: exit code.
        journal: Chaos Toolkit's, empty if it wrote none.
        output: of both streams.
    """

    code: int
    journal: dict[str, Any]
    output: str

    @property
    def verdict(self) -> str:
        """The verdict in the journal; empty if there is none."""
        verdict: str = self.journal.get("x-chaosp7", {}).get("verdict", "")
        return verdict

    @property
    def flat(self) -> str:
        """The output without line breaks: a terminal's width doesn't matter."""
        return self.output.replace("\n", "")


def command(experiment: Path) -> list[str]:
    """Return the command that runs an experiment."""
    chaos = Path(sys.executable).with_name("chaos")
    return [str(chaos), "--no-version-check", "--no-log-file", "run", str(experiment)]


def environment(folder: Path, **env: str) -> dict[str, str]:
    """Return the environment in which nothing outside the folder is touched."""
    own = {"CHAOSP7_STATE_DIR": str(folder / "state"), "CHAOSP7_PLATFORM": str(PLATFORM)}
    return {**os.environ, **own, **env}


def unhurried(folder: Path) -> Path:
    """Write the shipped platform with tiers that may be 10 s late, for tests that aren't about how fast it is.

    On a machine half as fast its tables are older than they may be all the time, and no steady state is met.
    """
    tiers = {f"{tier}+": {"fresh_within_ms": 10_000} for tier in ("topic", "raw", "bronze", "silver", "gold")}
    path = folder / "unhurried.yaml"
    path.write_text(json.dumps({"extends": "embedded", "name": "embedded", "tiers+": tiers}))
    return path


def chaos_run(experiment: Path, folder: Path, **env: str) -> ChaosRun:
    """Run an experiment in a folder.

    Args:
        experiment: its file.
        folder: where journal, reports and the platform's state go.
        env: variables to set.
    """
    done = subprocess.run(
        command(experiment),
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return ChaosRun(done.returncode, read_journal(folder), done.stdout + done.stderr)


def read_journal(folder: Path) -> dict[str, Any]:
    """Return the journal in a folder, empty if there is none."""
    path = folder / "journal.json"
    return json.loads(path.read_text()) if path.exists() else {}
