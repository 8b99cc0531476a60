"""``python -m chaosp7.embedded.silver_processor``: bronze -> silver as a service of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from typing import Final

from chaosp7.embedded import log
from chaosp7.embedded.http import HttpEndpoint, Metric, Request, Response, json_response, metrics_response
from chaosp7.embedded.planted import HitLog, add_options, parse
from chaosp7.embedded.silver_processor.client import ClickHouseClient
from chaosp7.embedded.silver_processor.planted import PlantedProcessor
from chaosp7.embedded.silver_processor.processor import Processor, Statistics
from chaosp7.embedded.silver_processor.statements import EXCHANGES
from chaosp7.errors import ConfigError

#: Without a cycle that worked for so long the processor isn't healthy.
HEALTHY_S: Final = 2.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.silver_processor", description=__doc__)
    parser.add_argument("--clickhouse", required=True, metavar="HOST:PORT", help="ClickHouse's HTTP port")
    parser.add_argument(
        "--http-port", type=int, required=True, help="port of /healthz and /metrics, 0 for a free one"
    )
    parser.add_argument("--exchanges", nargs="+", choices=EXCHANGES, default=EXCHANGES)
    parser.add_argument("--poll-ms", type=float, default=500.0, help="pause between two looks, milliseconds")
    parser.add_argument("--retry-ms", type=float, default=150.0, help="pause after an error, milliseconds")
    parser.add_argument("--timeout-s", type=float, default=5.0, help="limit for each statement, seconds")
    add_options(parser)
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--clickhouse: {text!r} isn't HOST:PORT")
    return host, int(port)


def _age_s(statistics: Statistics) -> float:
    if not statistics.last_success_ns:
        return float("inf")
    return (time.monotonic_ns() - statistics.last_success_ns) / 1e9


def _health(statistics: Statistics) -> Response:
    healthy = _age_s(statistics) < HEALTHY_S
    state = {
        "healthy": healthy,
        "behind_rows": statistics.behind,
        "batches": statistics.batches,
        "last_error": "" if healthy else statistics.last_error,
    }
    return json_response(state, 200 if healthy else 503)


def _metrics(statistics: Statistics) -> Response:
    counters = {
        "rows": statistics.rows,
        "batches": statistics.batches,
        "errors": statistics.errors,
        "recoveries": statistics.recoveries,
        "gold_repairs": statistics.repairs,
    }
    samples = [Metric(f"silver_processor_{name}_total", n, kind="counter") for name, n in counters.items()]
    samples.append(Metric("silver_processor_behind_rows", statistics.behind))
    if statistics.last_success_ns:
        samples.append(Metric("silver_processor_last_success_age_seconds", _age_s(statistics)))
    return metrics_response(samples)


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The process's exit code.
    """
    arguments = _arguments()
    logger = log.configure("silver-processor")
    try:
        host, port = _address(arguments.clickhouse)
    except ConfigError as error:
        logger.critical("%s", error)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    client = ClickHouseClient(host, port, read_timeout_s=arguments.timeout_s)
    processor = Processor(client, arguments.exchanges)
    if arguments.planted:
        hits, bugs = HitLog(arguments.planted_log), parse(arguments.planted)
        folder = arguments.planted_log.parent
        processor = PlantedProcessor(client, arguments.exchanges, bugs, hits, folder)
    statistics = processor.statistics

    def health(_: Request) -> Response:
        return _health(statistics)

    def metrics(_: Request) -> Response:
        return _metrics(statistics)

    endpoint = HttpEndpoint(arguments.http_port, {("GET", "/healthz"): health, ("GET", "/metrics"): metrics})
    endpoint.start()
    logger.info("started, http port %d", endpoint.port)
    while not stop.is_set():
        began = time.monotonic()
        errors = statistics.errors
        more = processor.cycle()
        pause_s = (arguments.retry_ms if statistics.errors > errors else arguments.poll_ms) / 1e3
        if not more:
            # A steady beat: the time of the cycle itself is part of the pause.
            stop.wait(max(0.005, pause_s - (time.monotonic() - began)))
    client.close()
    endpoint.close()
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
