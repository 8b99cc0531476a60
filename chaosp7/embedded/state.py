"""Where an embedded platform keeps its files.

::

    $CHAOSP7_STATE_DIR or ($XDG_STATE_HOME or ~/.local/state)/chaosp7
    └── <name>/
        ├── plan.json              what was resolved at `up`: ports, commands, health checks
        ├── supervisor.{pid,log,lock,sock}, outcome.json, events.jsonl
        ├── logs/<service>.log     pids/<service>.pid
        ├── data/<service>/        wiped at each `up` unless it is asked to keep them
        ├── faults.jsonl           the write-ahead ledger of faults, see chaosp7.safety
        ├── acks/                  the feed handlers' journals, wiped with the data
        └── ledgers/               what the source sent, one per run: never wiped by `up`
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaosp7.errors import ConfigError

__all__ = ["MARK_ENV", "STATE_ENV", "StateDir", "state_root"]

#: Overrides the folder that holds the state of all platforms.
STATE_ENV = "CHAOSP7_STATE_DIR"

#: Set in the environment of the supervisor and all it starts, so that what belongs to a
#: platform can be told from every other process, whoever its parent is by now.
MARK_ENV = "CHAOSP7_SUPERVISED_IN"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def state_root() -> Path:
    """Return the folder that holds the state of all platforms of this user."""
    if own := os.environ.get(STATE_ENV):
        return Path(own).absolute()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state").absolute() / "chaosp7"


@dataclass(frozen=True, slots=True)
class StateDir:
    """The state folder of one platform.

    Attributes:
        path: the folder, absolute.
    """

    path: Path

    @classmethod
    def of(cls, name: str) -> StateDir:
        """Return the state folder of the platform that is called so.

        Raises:
            ConfigError: if the name can't be a folder's name.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} can't name a platform: letters, digits, '.', '_' and '-' only")
        return cls(state_root() / name)

    @property
    def plan(self) -> Path:
        """The resolved plan, JSON."""
        return self.path / "plan.json"

    @property
    def supervisor_pid(self) -> Path:
        """The PID of the supervisor."""
        return self.path / "supervisor.pid"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor logs."""
        return self.path / "supervisor.log"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor for as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def command_lock(self) -> Path:
        """Locked by `up` and `down` while they work."""
        return self.path / "command.lock"

    @property
    def outcome(self) -> Path:
        """Why the platform couldn't be started, JSON; absent if it could."""
        return self.path / "outcome.json"

    @property
    def events(self) -> Path:
        """Every start, end and change of health with its monotonic time, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def faults(self) -> Path:
        """The write-ahead ledger of the faults done to the platform; never wiped."""
        return self.path / "faults.jsonl"

    @property
    def ledgers(self) -> Path:
        """The ledgers of the runs."""
        return self.path / "ledgers"

    @property
    def acks(self) -> Path:
        """The journals of the feed handlers."""
        return self.path / "acks"

    def log(self, service: str) -> Path:
        """Return the log of a service."""
        return self.path / "logs" / f"{service}.log"

    def pid_file(self, service: str) -> Path:
        """Return the PID file of a service."""
        return self.path / "pids" / f"{service}.pid"

    def data(self, service: str) -> Path:
        """Return the data folder of a service."""
        return self.path / "data" / service

    @contextmanager
    def socket_address(self) -> Iterator[str]:
        """Give the address of the control socket.

        The kernel allows 107 bytes for a socket's path, less than many a folder's: the folder is
        opened and named by its descriptor.

        Raises:
            FileNotFoundError: if there is no such folder.
        """
        folder = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/supervisor.sock"
        finally:
            os.close(folder)

    def prepare(self, *, keep_data: bool) -> None:
        """Make the folders and remove what an earlier life of the platform left.

        Args:
            keep_data: leave the services' data and the journals as they are.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        stale = [self.path / "pids", self.outcome, self.events, self.path / "supervisor.sock"]
        if not keep_data:
            stale += [self.path / "data", self.acks]
        for path in stale:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for log in (*self.path.glob("logs/*.log"), self.supervisor_log):
            if log.exists():
                log.replace(log.with_suffix(".log.1"))
        for folder in ("logs", "pids", "data", "acks", "ledgers"):
            (self.path / folder).mkdir(exist_ok=True)
