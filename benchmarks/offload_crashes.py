"""Kill the offload at random moments under load, and count every row in Iceberg.

    python benchmarks/offload_crashes.py --crashes 200

The platform embedded-cold sends numbered messages. The offload gets a SIGKILL again and again, at a random
moment after it has come back; its supervisor starts it again. Meanwhile a reader checks each new snapshot:
it begins where its parent ends, holds all rows of its batches and no others, and the watermark isn't ahead of
it. At the end the rows of each feed in Iceberg are compared with silver's and with what was sent. Exit code 0
only if nothing was lost, doubled, partial or ahead.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import requests

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from pyiceberg.catalog import Catalog  # noqa: E402

from chaosp7.embedded import lake  # noqa: E402
from chaosp7.embedded.offload.catalog import open_catalog  # noqa: E402
from chaosp7.embedded.state import StateDir  # noqa: E402
from chaosp7.platform.clickhouse import ClickHouse  # noqa: E402
from chaosp7.platform.driver import Driver  # noqa: E402
from chaosp7.platform.drivers import open_driver  # noqa: E402
from chaosp7.platform.loader import load  # noqa: E402
from chaosp7.run.load import Load  # noqa: E402
from tests.embedded.offload.lakehouse import Watcher  # noqa: E402

CATCH_UP_S = 120.0


def metric(driver: Driver, name: str) -> float | None:
    """Return a figure of the offload; None while it doesn't answer."""
    with suppress(requests.RequestException):
        text = requests.get(f"http://{driver.endpoint('offload')}/metrics", timeout=5).text
        for line in text.splitlines():
            if line.startswith(f"offload_{name} "):
                return float(line.split()[-1])
    return None


def kill_one(driver: Driver, after_s: float) -> bool:
    """Kill the offload so long after it answers.

    Returns:
        Whether it was there to be killed.
    """
    deadline = time.monotonic() + CATCH_UP_S
    while metric(driver, "commits_total") is None:
        if time.monotonic() > deadline:
            raise SystemExit("the offload doesn't come back")
        time.sleep(0.02)
    time.sleep(after_s)
    process = driver.status()["offload"].process
    if process is None:
        return False
    os.kill(process.pid, signal.SIGKILL)
    while driver.status()["offload"].process == process:
        time.sleep(0.01)
    # The supervisor waits longer after each crash: for 200 of them, that would be hours.
    driver.start("offload", wait_s=0)
    return True


def per_feed(
    catalog: Catalog, clickhouse: ClickHouse
) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]:
    """Return the rows in silver and in Iceberg: (exchange, symbol, sequence) -> how many."""
    columns = clickhouse.columns(
        "SELECT lower(exchange), canonical_symbol, source_sequence FROM k2.silver_trades", 3
    )
    fields = ("exchange", "symbol", "source_sequence")
    table = catalog.load_table(("cold", "silver_trades")).scan(selected_fields=fields).to_arrow()
    found = zip(*(table[name].to_pylist() for name in fields), strict=True)
    return Counter(zip(*columns, strict=True)), Counter(found)


def orphans(catalog: Catalog, store: Path) -> int:
    """Return how many data files no snapshot names: of tries that ended between write and commit."""
    count = 0
    for name in ("silver_trades", "ohlcv"):
        named = {
            Path(task.file.file_path).name for task in catalog.load_table(("cold", name)).scan().plan_files()
        }
        folder = store / "store" / lake.BUCKET / "warehouse" / "cold" / name / "data"
        count += len({path.name for path in folder.glob("*.parquet")} - named)
    return count


def caught_up(driver: Driver, clickhouse: ClickHouse, sent: int) -> bool:
    """Wait until silver has all that was sent, and Iceberg all of silver's batches."""
    deadline = time.monotonic() + CATCH_UP_S
    while time.monotonic() < deadline:
        rows, newest = map(int, clickhouse.tsv("SELECT count(), max(batch) FROM k2.silver_trades").split())
        held = [metric(driver, f'watermark{{table="{name}"}}') for name in ("silver_trades", "ohlcv")]
        if rows >= sent and held == [newest, newest]:
            return True
        time.sleep(0.2)
    return False


def main() -> int:
    """Kill it so often, then count.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crashes", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--rate", type=float, default=500.0, help="messages per second (default 500)")
    parser.add_argument("--within", type=float, default=1.5, help="longest life, seconds (default 1.5)")
    parser.add_argument("--seed", type=int, default=7, help="of the moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory(prefix="c7o-") as folder:
        os.environ["CHAOSP7_STATE_DIR"] = folder
        model = load("embedded-cold")
        driver = open_driver(model)
        driver.up()
        try:
            host, _, port = driver.endpoint("clickhouse").rpartition(":")
            clickhouse = ClickHouse(host, int(port), 30)
            store = lake.s3_properties(driver.endpoint("minio"))

            def opened() -> Catalog:
                return open_catalog({"uri": f"http://{driver.endpoint('catalog')}", **store})

            load_ = Load(f"http://{driver.endpoint('exchange')}", arguments.rate, seed=7)
            load_.start("offload-crashes", Path(folder, "ledger"))
            watermarks = StateDir.of(model.name).data("offload") / "watermarks.db"
            watcher = Watcher(opened, ClickHouse(host, int(port), 30), watermarks, whole=False)
            watcher.start()
            killed = 0
            while killed < arguments.crashes:
                killed += kill_one(driver, moments.uniform(0, arguments.within))
                if killed % 10 == 0:
                    print(f"{killed} crashes, {watcher.snapshots} snapshots looked at", flush=True)
            sent = load_.finish(load_.status().sent + 1000, time.sleep).sent
            whole = caught_up(driver, clickhouse, sent)
            watcher.stop()
            silver, cold = per_feed(opened(), clickhouse)
            left = orphans(opened(), driver.data_folder("minio"))
            log = StateDir.of(model.name).log("offload").read_text(errors="replace")
        finally:
            driver.down()
    lost, doubled = silver - cold, cold - silver
    print(f"{killed} crashes; {watcher.snapshots} snapshots checked, {len(watcher.wrong)} of them wrong")
    for wrong in watcher.wrong[:20]:
        print(wrong)
    print(f"after {log.count('its watermark was at')} restarts the table was ahead of the watermark")
    print(f"{left} data files were written and never committed")
    for feed in sorted({key[:2] for key in silver}):
        rows = [
            sum(n for key, n in side.items() if key[:2] == feed) for side in (silver, cold, lost, doubled)
        ]
        print("{} {}: {} in silver, {} in Iceberg, {} lost, {} doubled".format(*feed, *rows))
    print(
        f"{sent} sent, {silver.total()} in silver, {cold.total()} in Iceberg: "
        f"{lost.total()} lost, {doubled.total()} duplicated"
    )
    if not whole:
        print(f"not all had arrived after {CATCH_UP_S:g} s")
    good = whole and not (watcher.wrong or lost or doubled) and silver.total() == sent
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
