"""The embedded ClickHouse server as a plain process, without a supervisor or a broker."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import requests

from chaosp7.platform.clickhouse import ClickHouse
from tests.process import Process
from tests.waiting import ANSWER_S, PATIENCE_S, answers, until

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

    def client(self, timeout_s: float = ANSWER_S) -> ClickHouse:
        """Return a connection."""
        return ClickHouse("127.0.0.1", self.port, timeout_s)

    def run(self, *statements: str) -> None:
        """Run statements that change something."""
        for sql in statements:
            answer = requests.post(self.url, data=sql.encode(), timeout=PATIENCE_S)
            assert answer.ok, answer.text

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        until(lambda: answers(f"{self.url}/ping") or self.process.poll() is not None, said=self._tail)
        assert self.process.poll() is None, self._tail()

    def _tail(self) -> str:
        return self.log.read_text()[-3000:]
