"""Prefect, beside the locked packages, and a server of it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import requests

from tests.cached_packages import locked_versions, made_once
from tests.cold import free_port
from tests.process import Process
from tests.waiting import ANSWER_S, answers, until

__all__ = ["VERSION", "PrefectServer", "prefect_env"]

#: The one that the tests use.
VERSION = "3.9.1"

#: Of these it wants other versions than the lock has.
_OTHERS = ("websockets==", "cachetools==", "python-dateutil==", "certifi==")


def prefect_env() -> dict[str, str]:
    """Return the variables with which the Python of these tests has Prefect, installed first if it isn't there."""
    pinned = locked_versions(*_OTHERS)
    folder = made_once(
        "prefect", Path(sys.executable), platform.python_version(), [f"prefect=={VERSION}"], pinned
    )
    # Before the packages of the environment, whose versions Prefect doesn't like.
    return {"PYTHONPATH": str(folder)}


class PrefectServer(Process):
    """The server as a platform has it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.data = folder / "prefect-server"
        command = [sys.executable, "-m", "chaosp7.embedded.orchestrator"]
        command += ["--data-dir", str(self.data), "--http-port", str(self.port)]
        super().__init__(command, folder / "prefect-server.log", env=prefect_env())

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        super().start()
        until(self.healthy, said=self.log.read_text)

    def healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return answers(f"{self.api}/health")

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, the first to be registered first."""
        body = {"limit": 200, "sort": "EXPECTED_START_TIME_DESC"}
        answer = requests.post(f"{self.api}/flow_runs/filter", json=body, timeout=ANSWER_S)
        assert answer.ok, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found[::-1]

    def states(self) -> list[str]:
        """Return what each run's state is called, the first run first."""
        return [run["state_name"] for run in self.runs()]
