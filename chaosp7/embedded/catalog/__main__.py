"""``python -m chaosp7.embedded.catalog``: the embedded platform's Iceberg REST catalog."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from chaosp7.embedded import log
from chaosp7.embedded.catalog.routes import Routes
from chaosp7.embedded.catalog.store import CatalogStore
from chaosp7.embedded.http import HttpEndpoint, Metric, Request, Response, json_response, metrics_response


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.catalog", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of its database")
    parser.add_argument("--http-port", type=int, required=True, help="port of the protocol, 0 for a free one")
    parser.add_argument("--object-store", required=True, metavar="HOST:PORT", help="where metadata files go")
    return parser.parse_args()


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The process's exit code.
    """
    arguments = _arguments()
    logger = log.configure("catalog")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    store = CatalogStore(arguments.data_dir.absolute(), arguments.object_store)
    routes = Routes(store)

    def health(_: Request) -> Response:
        return json_response({"healthy": True, "namespaces": len(store.namespaces())})

    def metrics(_: Request) -> Response:
        return metrics_response(
            Metric(f"catalog_{name}_total", count, kind="counter") for name, count in routes.counts.items()
        )

    endpoint = HttpEndpoint(
        arguments.http_port, {("GET", "/healthz"): health, ("GET", "/metrics"): metrics}, fallback=routes
    )
    endpoint.start()
    logger.info("started, http port %d", endpoint.port)
    stop.wait()
    endpoint.close()
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
