"""``python -m chaosp7.embedded.offload``: ClickHouse -> Iceberg, as a service or once."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from chaosp7.embedded import lake, log
from chaosp7.embedded.http import (
    HttpEndpoint,
    Request,
    Response,
    error_response,
    json_response,
    metrics_response,
)
from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.cycle import Offload
from chaosp7.embedded.offload.flow import Settings, flow, open_offload
from chaosp7.embedded.offload.planted import PlantedOffload
from chaosp7.embedded.offload.retry import Backoff
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.embedded.planted import HitLog, add_options, parse
from chaosp7.errors import ChaosP7Error, ConfigError, OffloadError

#: Without a success for so many cycles the offload isn't healthy.
HEALTHY_CYCLES: Final = 3
#: ... but not within this: one slow cycle is no failure.
HEALTHY_S: Final = 10.0


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
    parser.add_argument("--tries", type=int, default=4, help="(--once) before it has failed")
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


class _DieAt(msgspec.Struct, forbid_unknown_fields=True):
    step: str


def _endpoint(port: int, statistics: Statistics, points: CrashPoints, cycle_s: float) -> HttpEndpoint:
    started = time.monotonic()
    limit_s = max(HEALTHY_S, HEALTHY_CYCLES * cycle_s)

    def health(_: Request) -> Response:
        # Before the first success the clock runs from the start; a platform waits for that success.
        age_s = statistics.age_s()
        healthy = age_s < limit_s
        state = {
            "healthy": healthy,
            "last_success_age_s": age_s if statistics.last_success_ns else None,
            "running_s": time.monotonic() - started,
            "watermarks": statistics.watermarks,
            "consecutive_failures": statistics.consecutive_failures,
            "last_error": statistics.last_error if statistics.consecutive_failures else "",
        }
        return json_response(state, 200 if healthy else 503)

    def metrics(_: Request) -> Response:
        return metrics_response(statistics.metrics())

    def die_at(request: Request) -> Response:
        try:
            points.arm(request.json(_DieAt).step)
        except ConfigError as error:
            return error_response(str(error), 400)
        return json_response({"armed": True})

    routes = {("GET", "/healthz"): health, ("GET", "/metrics"): metrics, ("POST", "/die-at"): die_at}
    return HttpEndpoint(port, routes)


def _serve(offload: Offload, stop: threading.Event, cycle_s: float, logger: logging.Logger) -> None:
    backoff, statistics = Backoff(), offload.statistics
    while not stop.is_set():
        begun = time.monotonic()
        if statistics.consecutive_failures:
            statistics.retries += 1
        try:
            more = offload.cycle()
        except OffloadError as error:
            # The step and the cause say it; a traceback at every try would bury them.
            logger.error("failure %d in a row: %s", statistics.consecutive_failures, error)  # noqa: TRY400
            stop.wait(backoff.wait_s(statistics.consecutive_failures))
            continue
        if not more:
            # A steady beat: the time of the cycle itself is part of the pause.
            stop.wait(max(0.01, cycle_s - (time.monotonic() - begun)))


def _maker(arguments: argparse.Namespace) -> Callable[..., Offload]:
    if not arguments.planted:
        return Offload
    return partial(PlantedOffload, planted=parse(arguments.planted), hits=HitLog(arguments.planted_log))


def main() -> int:
    """Run until SIGTERM or SIGINT, or once.

    Returns:
        The process's exit code.
    """
    arguments = _arguments()
    logger = log.configure("offload")
    stop = threading.Event()
    points = CrashPoints()
    try:
        settings = _settings(arguments)
        if arguments.once:
            done = flow(settings, tries=arguments.tries)
            logger.info("%d rows in %d commits, now at %s", done.rows, done.commits, done.watermarks)
            return 0
        offload = open_offload(settings, points, _maker(arguments))
    except ConfigError as error:
        logger.critical("%s", error)
        return 2
    except ChaosP7Error as error:
        logger.critical("failed: %s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    endpoint = _endpoint(arguments.http_port, offload.statistics, points, arguments.cycle_s)
    endpoint.start()
    logger.info("started, http port %d", endpoint.port)
    _serve(offload, stop, arguments.cycle_s, logger)
    endpoint.close()
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
