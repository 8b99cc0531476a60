"""``python -m chaosp7.embedded.clickhouse``: the embedded platform's ClickHouse server."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaosp7.embedded import log
from chaosp7.embedded.clickhouse import schema
from chaosp7.embedded.clickhouse.config import write_config
from chaosp7.embedded.clickhouse.engine import Engine, EngineError
from chaosp7.embedded.clickhouse.planted import altered, on_start
from chaosp7.embedded.clickhouse.planted_reads import PlantedEngine
from chaosp7.embedded.clickhouse.server import Server
from chaosp7.embedded.planted import Planted, add_options, parse

#: A SIGTERM is obeyed within 5 s: a query that takes longer is cut off, as by a crash.
DRAIN_S: Final = 2.5
CLOSE_S: Final = 2.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="ClickHouse's own folder")
    parser.add_argument(
        "--http-port", type=int, required=True, help="port of the HTTP protocol, 0 for a free one"
    )
    parser.add_argument("--kafka", default="", help="HOST:PORT of the brokers; without it no topic is read")
    parser.add_argument("--kafka-flush-ms", type=int, default=schema.KafkaSettings("").flush_interval_ms)
    add_options(parser)
    return parser.parse_args()


def _apply_schema(
    engine: Engine, kafka: schema.KafkaSettings, planted: Sequence[Planted], *, again: bool
) -> None:
    for statement in altered(schema.statements(kafka), planted):
        engine.execute(statement.encode())
    on_start(engine, planted, again=again)
    if kafka.brokers:
        for statement in schema.stream_statements():
            engine.execute(statement.encode())


def _close(engine: Engine) -> None:
    for statement in schema.stop_statements():
        engine.execute(statement.encode())
    engine.close()


def _stop(server: Server, engine: Engine, logger: logging.Logger) -> None:
    server.shutdown()
    server.server_close()
    if not server.idle(DRAIN_S):
        logger.warning("a query still runs after %g s and is cut off", DRAIN_S)
        return
    closing = threading.Thread(target=_close, args=(engine,), daemon=True)
    closing.start()
    closing.join(CLOSE_S)
    logger.info("closed" if not closing.is_alive() else "the engine didn't close in time and is left so")


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The process's exit code.
    """
    arguments = _arguments()
    logger = log.configure("clickhouse")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    started = time.monotonic()
    data_dir: Path = arguments.data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "chaosp7-config.xml"
    again = config.exists()
    write_config(config)
    planted = parse(arguments.planted)
    engine = PlantedEngine(data_dir, config, planted) if planted else Engine(data_dir, config)
    server = Server(arguments.http_port, engine)
    try:
        kafka = schema.KafkaSettings(arguments.kafka, arguments.kafka_flush_ms)
        _apply_schema(engine, kafka, planted, again=again)
    except EngineError as error:
        logger.critical("the schema can't be applied: %s", error)
        return 1
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    logger.info(
        "ClickHouse %s ready on port %d after %.2f s",
        engine.version,
        server.server_port,
        time.monotonic() - started,
    )
    while not stop.wait(1.0):
        pass
    logger.info("stopping")
    _stop(server, engine, logger)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # The engine's own threads would hold up the interpreter's end; all that lasts is on disk.
    os._exit(code)
