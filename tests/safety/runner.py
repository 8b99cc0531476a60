"""A runner that injects a fault under a watchdog and then waits to be killed.

``python -m tests.safety.runner FAULT MAX_S [docker]``: prints a line right before the fault begins, and one when it is in force.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from chaosp7.actions._fault import Fault
from chaosp7.actions._link import LinkFault
from chaosp7.actions.cpu_stress import CpuStress
from chaosp7.actions.isolate import Isolate
from chaosp7.actions.kill import Kill
from chaosp7.actions.memory_pressure import MemoryPressure
from chaosp7.actions.partition import Partition
from chaosp7.actions.pause import Pause
from chaosp7.actions.power_cut import PowerCut
from chaosp7.actions.refuse import Refuse
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.links import Toxic
from chaosp7.safety.guard import Guard
from chaosp7.safety.heal import ledger_of
from tests.lite import HANDLER, KAFKA_LINK, Lite, lite_platform

RUN = "test-run"
HOLE = [Toxic("timeout", stream, {"timeout": 0}) for stream in ("upstream", "downstream")]

FAULTS: dict[str, Callable[[Lite], Fault]] = {
    "pause": lambda lite: Pause(lite.driver, HANDLER, 60, 20),
    "pause-broker": lambda lite: Pause(lite.driver, "redpanda", 60, 20),
    "kill": lambda lite: Kill(lite.driver, HANDLER, 60, 20),
    "refuse": lambda lite: Refuse(lite, KAFKA_LINK, 60),
    "blackhole": lambda lite: LinkFault(lite, "blackhole", KAFKA_LINK, 60, HOLE),
    "cpu-stress": lambda lite: CpuStress(lite.driver, HANDLER, 1, 60),
    "memory-pressure": lambda lite: MemoryPressure(lite.driver, "", 1024, 64, 60),
    "power-cut": lambda lite: PowerCut(lite, ["toxiproxy", HANDLER, "feed-handler-binance"], 60, 20),
    "isolate": lambda lite: Isolate(lite.driver, HANDLER, 60, 20),
    "partition": lambda lite: Partition(lite, [[HANDLER, "feed-handler-binance"], ["redpanda"]], 60),
}


def main() -> None:
    """Inject, say so, and wait."""
    name, max_s = sys.argv[1], float(sys.argv[2])
    model = lite_platform("docker" if "docker" in sys.argv[3:] else "process")
    driver = open_driver(model)
    guard = Guard(driver.name, RUN, "exchange", take_down=False, log=driver.state.log("watchdog"))
    guard.start()
    fault = FAULTS[name](Lite(model, driver, driver.state.path))
    say("ready")
    ledger_of(driver).open(RUN, fault.kind, fault.target, fault.undo, max_s)
    fault.inject()
    fault.verify()
    say("in force")
    time.sleep(120)


def say(word: str) -> None:
    """Tell who has started this."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
