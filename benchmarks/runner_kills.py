"""Kill a runner at a random moment of its fault, many times, and look for what is left.

    python benchmarks/runner_kills.py --times 50
    python benchmarks/runner_kills.py --times 50 --driver docker

Each runner injects one fault under a watchdog, all faults in turn, and gets its SIGKILL at a random moment
from right before its fault begins to well into it. Within 5 s no service may be down or paused, no link
cut, no network missing, no helper left and no fault open in the ledger; then `chaosp7 heal --check` is
asked. Exit code 0 only if nothing was left each time.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from chaosp7.errors import ChaosP7Error  # noqa: E402
from chaosp7.platform.drivers import open_driver  # noqa: E402
from chaosp7.safety.heal import ledger_of  # noqa: E402
from tests.lite import Lite, lite_platform  # noqa: E402
from tests.safety.runner import FAULTS  # noqa: E402

CLEAN_WITHIN_S = 5.0
LATEST_S = 1.0


def left(lite: Lite) -> str:
    """Return what is left of faults, empty if nothing is."""
    try:
        return next(traces(lite), "")
    except ChaosP7Error as error:
        return str(error)


def traces(lite: Lite) -> Iterator[str]:
    """Find what faults have left."""
    for name, status in lite.driver.status().items():
        if status.process is None and status.state != "backing-off":
            yield f"{name} is down"
        elif lite.driver.paused(name):
            yield f"{name} is paused"
    yield from (f"link {name} is cut" for name, link in lite.driver.links.states().items() if not link.clean)
    if lite.model.driver == "docker" and "{}" in map(lite.driver.networks, lite.model.services):
        yield "a container has no network"
    helper = subprocess.run(["pgrep", "-f", "chaosp7.stress --token"], capture_output=True, check=False)
    if helper.returncode == 0:
        yield "a helper runs"
    yield from (f"{fault.kind} is open in the ledger" for fault in ledger_of(lite.driver).open_faults())


def kill_one(lite: Lite, fault: str, after_s: float) -> tuple[float, str, bool]:
    """Start a runner, kill it, and wait until nothing is left.

    Returns:
        How long that took, seconds, what is left after the limit, and whether anything was there to be
        healed.
    """
    command = [sys.executable, "-m", "tests.safety.runner", fault, "100", lite.model.driver]
    env = {**os.environ, "CHAOSP7_STATE_DIR": str(lite.state)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after_s)
        begun = bool(left(lite))
        process.kill()
        killed_s = time.monotonic()
        process.wait()
        clean_s = float("inf")
        while time.monotonic() < killed_s + CLEAN_WITHIN_S:
            # A request that was on its way may still arrive: only what stays clean counts.
            clean_s = min(clean_s, time.monotonic() - killed_s) if not left(lite) else float("inf")
            time.sleep(0.1)
    return clean_s, left(lite), begun


def healed(lite: Lite) -> bool:
    """Ask `chaosp7 heal --check`."""
    command = [sys.executable, "-c", "from chaosp7.cli import main; main()", "heal", "--check"]
    command += ["--name", lite.model.name]
    env = {**os.environ, "CHAOSP7_STATE_DIR": str(lite.state)}
    return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0


def main() -> int:
    """Kill them all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, help="how many runners (default 50)")
    parser.add_argument("--driver", choices=["process", "docker"], default="process")
    parser.add_argument("--seed", type=int, default=7, help="of the moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)  # noqa: S311 - moments, not secrets
    faults = [name for name in FAULTS if name != "isolate" or arguments.driver == "docker"]
    took_s: list[float] = []
    bad = begun = 0
    with tempfile.TemporaryDirectory(prefix="c7k-") as folder:
        os.environ["CHAOSP7_STATE_DIR"] = folder
        model = lite_platform(arguments.driver)
        lite = Lite(model, open_driver(model), Path(folder))
        lite.driver.up()
        try:
            for number in range(arguments.times):
                fault, after_s = faults[number % len(faults)], moments.uniform(0, LATEST_S)
                clean_s, what, was_there = kill_one(lite, fault, after_s)
                begun += was_there
                ok = not what and healed(lite)
                bad += not ok
                took_s.append(clean_s)
                said = f"killed after {after_s:.2f} s, clean after {clean_s:.2f} s {what}"
                print(f"{number + 1}: {fault} {said}", flush=True)
                for name in model.services:
                    lite.driver.start(name)
        finally:
            lite.driver.down()
    middle, longest = statistics.median(took_s), max(took_s)
    print(f"{begun} of {arguments.times} were in a fault when they were killed; {bad} left something")
    print(f"clean after: median {middle:.2f} s, longest {longest:.2f} s (n = {len(took_s)})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
