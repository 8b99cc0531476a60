"""The embedded ClickHouse server as a plain process, without a supervisor or a broker."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import requests

from chaosp7.platform.clickhouse import ClickHouse
from tests.process import Process

__all__ = ["ClickHouseProcess"]


class ClickHouseProcess(Process):
    """A server on a free port of the loopback interface.

    Args:
        folder: for its data and its log.

    Attributes:
        port: its HTTP port; the same after `kill` and `start`.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "chaosp7.embedded.clickhouse"]
        command += ["--data-dir", str(folder / "data"), "--http-port", str(self.port)]
        super().__init__(command, folder / "clickhouse.log")

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
        super().start()
        deadline = time.monotonic() + 60
        while not self._answers():
            ended = self.process.poll() is not None
            assert not ended and time.monotonic() < deadline, self.log.read_text()[-3000:]  # noqa: PT018
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/ping", timeout=5).ok
        except requests.RequestException:
            return False
