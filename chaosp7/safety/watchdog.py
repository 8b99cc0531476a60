"""``python -m chaosp7.safety.watchdog``: heals when the runner can't.

It holds the end of a pipe whose other end the runner has. The runner's end, however it comes,
closes the pipe; a runner that hangs stops writing to it. In both cases every open fault of the run
is undone; so is a fault that has outlived its own deadline. Once the runner is gone the load is
ended too, and the platform, if the run had brought it up.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import time
from typing import Final

from chaosp7.embedded import log
from chaosp7.errors import ChaosP7Error, HealError
from chaosp7.platform.driver import Driver
from chaosp7.platform.drivers import open_driver
from chaosp7.run.load import Load
from chaosp7.safety.fault_ledger import OpenFault
from chaosp7.safety.heal import heal, ledger_of

__all__ = ["HEARTBEAT", "READY", "RELEASE", "main"]

#: What the runner writes, and what it reads once.
HEARTBEAT: Final = b"."
RELEASE: Final = b"q"
READY: Final = b"r"

_LOOK_EVERY_S: Final = 0.2
_SILENT_AFTER_S: Final = 3.0
_HEAL_TIMEOUT_S: Final = 30.0

_log = logging.getLogger("watchdog")


class Watchdog:
    """Watches over one run.

    Args:
        driver: of the platform.
        run: the run's id.
        exchange: the service that makes the load.
        take_down: whether the run brought the platform up.
    """

    def __init__(self, driver: Driver, run: str, exchange: str, take_down: bool) -> None:
        self._driver = driver
        self._run = run
        self._exchange = exchange
        self._take_down = take_down

    def watch(self, pipe: int) -> bool:
        """Watch until the runner lets go or is gone.

        Args:
            pipe: descriptor of the end to read from.

        Returns:
            Whether everything is healed.
        """
        heard_s = time.monotonic()
        while True:
            readable, _, _ = select.select([pipe], [], [], _LOOK_EVERY_S)
            if readable:
                said = os.read(pipe, 4096)
                if RELEASE in said:
                    return True
                if not said:
                    _log.warning("the runner of %s is gone", self._run)
                    return self._clean_up()
                heard_s = time.monotonic()
            silent = time.monotonic() - heard_s > _SILENT_AFTER_S
            self._heal_due(everything=silent)

    def _heal_due(self, *, everything: bool) -> None:
        now_ns = time.monotonic_ns()
        try:
            due = [f for f in self._open() if everything or f.deadline_ns < now_ns]
            if due:
                why = "the runner is silent" if everything else "it has outlived its deadline"
                for fault in due:
                    _log.warning("healing %s %s: %s", fault.kind, fault.target, why)
                heal(self._driver, due, "watchdog", _HEAL_TIMEOUT_S, self._tell)
        except HealError as error:
            _log.error("%s", error)

    def _clean_up(self) -> bool:
        healed = True
        try:
            heal(self._driver, self._open(), "watchdog", _HEAL_TIMEOUT_S, self._tell)
        except HealError as error:
            _log.error("%s", error)
            healed = False
        try:
            if self._take_down:
                self._driver.down()
            elif self._driver.running():
                Load(f"http://{self._driver.endpoint(self._exchange)}", 0, 0).abort()
        except ChaosP7Error as error:
            _log.error("%s", error)
        return healed

    def _open(self) -> list[OpenFault]:
        return ledger_of(self._driver).open_faults(self._run)

    @staticmethod
    def _tell(fault: OpenFault) -> None:
        _log.warning("%s %s is healed", fault.kind, fault.target)


def main() -> int:
    """Watch over the run that the arguments name; the pipe is stdin.

    Returns:
        The process's exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m chaosp7.safety.watchdog", description=__doc__)
    parser.add_argument("--name", required=True, help="the platform's name")
    parser.add_argument("--run", required=True, help="the run's id")
    parser.add_argument("--exchange", required=True, help="the service that makes the load")
    parser.add_argument("--take-down", action="store_true", help="the run brought the platform up")
    arguments = parser.parse_args()
    log.configure("watchdog")
    # A Ctrl-C or a closed terminal is the runner's to handle.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    driver = open_driver(name=arguments.name)
    watchdog = Watchdog(driver, arguments.run, arguments.exchange, arguments.take_down)
    os.write(sys.stdout.fileno(), READY)
    return 0 if watchdog.watch(sys.stdin.fileno()) else 1


if __name__ == "__main__":
    sys.exit(main())
