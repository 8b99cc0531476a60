"""A Docker daemon of the tests' own: nothing of another one is touched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.waiting import ANSWER_S, PATIENCE_S

__all__ = ["Daemon", "why_not"]

#: Where Debian has it, and the tools that it starts itself.
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def why_not() -> str | None:
    """Return why this machine can't run one, None if it can."""
    if os.getuid() != 0:
        return "a Docker daemon takes root"
    if shutil.which("dockerd", path=_PATH) is None:
        return "there is no dockerd on this machine (Debian: docker.io)"
    return None


class Daemon:
    """A daemon with its data, socket and process id in a folder.

    Args:
        folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; the test is skipped where the kernel doesn't let it."""
        command = [
            "dockerd",
            "--data-root",
            str(self._folder / "data"),
            "--exec-root",
            str(self._folder / "exec"),
        ]
        command += ["--pidfile", str(self._folder / "pid"), "-H", self.url, "--bridge", "none"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, "PATH": _PATH}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                said = (self._folder / "log").read_text().splitlines()
                pytest.skip(f"dockerd doesn't run here: {said[-1] if said else 'no word'}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and with it its containers."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            try:
                connection.connect(self.url.removeprefix("unix://"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200" in connection.recv(100)
            except OSError:
                return False
