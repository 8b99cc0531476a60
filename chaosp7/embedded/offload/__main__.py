"""``python -m chaosp7.embedded.offload``: ClickHouse -> Iceberg, as a service or once."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chaosp7.embedded import lake, log, orchestrator
from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.cycle import Offload
from chaosp7.embedded.offload.flow import Settings, drain, open_offload
from chaosp7.embedded.offload.planted import PlantedOffload
from chaosp7.embedded.offload.service import endpoint, serve
from chaosp7.embedded.planted import HitLog, add_options, parse
from chaosp7.errors import ChaosP7Error, ConfigError

if TYPE_CHECKING:
    from chaosp7.embedded.offload.orchestrated import RegisteredOffload


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.offload", description=__doc__)
    parser.add_argument("--clickhouse", required=True, metavar="HOST:PORT", help="ClickHouse's HTTP port")
    parser.add_argument(
        "--catalog",
        required=True,
        metavar="URI",
        help="http:// REST catalog, or sqlite://, postgresql:// ...",
    )
    parser.add_argument(
        "--object-store",
        default="",
        metavar="HOST:PORT",
        help="the embedded one, with its keys; else --property s3.*",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of its watermarks")
    parser.add_argument("--watermarks", default="", metavar="URL", help="postgresql://..., else a file")
    parser.add_argument(
        "--property", action="append", default=[], metavar="KEY=VALUE", help="a property of PyIceberg"
    )
    parser.add_argument(
        "--http-port", type=int, default=0, help="port of /healthz and /metrics, 0: a free one"
    )
    parser.add_argument(
        "--cycle-s", type=float, default=2.0, help="from one cycle's start to the next, seconds"
    )
    parser.add_argument("--rows-max", type=int, default=100_000, help="most rows of one increment")
    parser.add_argument("--timeout-s", type=float, default=5.0, help="limit for each answer, seconds")
    parser.add_argument(
        "--once", action="store_true", help="offload what is there and end; exit code 1: it failed"
    )
    parser.add_argument(
        "--tries", type=int, default=4, help="(--once, --orchestrator) of a cycle, before a run has failed"
    )
    parser.add_argument(
        "--orchestrator",
        default="",
        metavar="URL",
        help="http://HOST:PORT/api of Prefect, which sees each run",
    )
    add_options(parser)
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    properties = {"uri": arguments.catalog, "chaosp7.read-timeout": str(arguments.timeout_s)}
    if arguments.object_store:
        properties |= lake.s3_properties(arguments.object_store, request_timeout_s=arguments.timeout_s)
    if not arguments.catalog.startswith("http"):
        properties["warehouse"] = lake.WAREHOUSE
    for text in arguments.property:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--property: {text!r} isn't KEY=VALUE")
        properties[key] = value
    return Settings(
        clickhouse=arguments.clickhouse,
        catalog=properties,
        folder=arguments.data_dir.absolute(),
        watermarks=arguments.watermarks,
        rows_max=arguments.rows_max,
        timeout_s=arguments.timeout_s,
    )


def _maker(arguments: argparse.Namespace) -> Callable[..., Offload]:
    if not arguments.planted:
        return Offload
    return partial(PlantedOffload, planted=parse(arguments.planted), hits=HitLog(arguments.planted_log))


def _registered(arguments: argparse.Namespace, offload: Offload, stop: threading.Event) -> RegisteredOffload:
    """Return what runs the offload where Prefect sees it.

    Raises:
        ConfigError: if Prefect isn't installed.
    """
    orchestrator.require()
    home = arguments.data_dir.absolute() / "prefect"
    orchestrator.set_client_variables(arguments.orchestrator, home, arguments.timeout_s)
    # An extra, which reads its variables when it is imported.
    from chaosp7.embedded.offload.orchestrated import RegisteredOffload  # noqa: PLC0415

    return RegisteredOffload(offload, arguments.tries, stop)


def _once(offload: Offload, registered: RegisteredOffload | None, tries: int, logger: logging.Logger) -> int:
    if registered is None:
        drain(offload, tries)
    else:
        registered.run()
        if registered.failed:
            return 1
    done = offload.statistics
    logger.info("%d rows in %d commits, now at %s", done.rows, done.commits, done.watermarks)
    return 0


def main() -> int:
    """Run until SIGTERM or SIGINT, or once.

    Returns:
        The process's exit code.
    """
    arguments = _arguments()
    logger = log.configure("offload")
    stop = threading.Event()
    points = CrashPoints()
    registered: RegisteredOffload | None = None
    try:
        offload = open_offload(_settings(arguments), points, _maker(arguments))
        if arguments.orchestrator:
            registered = _registered(arguments, offload, stop)
        if arguments.once:
            return _once(offload, registered, arguments.tries, logger)
    except ConfigError as error:
        logger.critical("%s", error)
        return 2
    except ChaosP7Error as error:
        logger.critical("failed: %s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    http = endpoint(arguments.http_port, offload.statistics, points, arguments.cycle_s)
    http.start()
    logger.info("started, http port %d", http.port)
    once = offload.cycle if registered is None else registered.run
    work = partial(serve, once, offload.statistics, stop, arguments.cycle_s, logger)
    if registered is None:
        work()
    else:
        # In the main thread Prefect would take SIGTERM for itself, and end a run as Crashed.
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            done.add_done_callback(lambda _: stop.set())
            stop.wait()
            done.result()
    http.close()
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
