"""The embedded ClickHouse server as a plain process, without a supervisor or a broker."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

from chaosp7.platform.clickhouse import ClickHouse

__all__ = ["ClickHouseProcess"]

_PR_SET_PDEATHSIG = 1


class ClickHouseProcess:
    """A server on a free port of the loopback interface.

    Args:
        folder: for its data and its log.

    Attributes:
        port: its HTTP port; the same after `kill` and `start`.
        process: the running process.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.log = folder / "clickhouse.log"
        self._command = [sys.executable, "-m", "chaosp7.embedded.clickhouse"]
        self._command += ["--data-dir", str(folder / "data"), "--http-port", str(self.port)]
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, timeout_s: float = 30.0) -> ClickHouse:
        """Return a connection."""
        return ClickHouse("127.0.0.1", self.port, timeout_s)

    def run(self, *statements: str) -> None:
        """Run statements that change something."""
        for sql in statements:
            answer = requests.post(self.url, data=sql.encode(), timeout=30)
            assert answer.ok, answer.text

    def start(self) -> None:
        """Start it and wait until it answers."""
        libc = ctypes.CDLL(None)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Not even a test session that is killed leaves a server behind.
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            ended = self.process.poll() is not None
            assert not ended and time.monotonic() < deadline, self.log.read_text()[-3000:]  # noqa: PT018
            time.sleep(0.05)

    def kill(self) -> None:
        """End it with SIGKILL; `start` brings it back with its data."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it properly."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/ping", timeout=5).ok
        except requests.RequestException:
            return False
